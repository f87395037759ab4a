//! ActiveMQ Classic with AMQP 1.0.
//!
//! In: a place. Out: its artifacts, and what to start.
//! Invariants: it listens on loopback only and answers after its journal is flushed. It asks nobody who he is; who says so
//! has to be `annals` with the password `annals`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{
    artifacts,
    place::Place,
    process::{self, Launch},
    table::{ACTIVEMQ, LOG4J, Server},
};

/// The Spring that reads its settings; a broker of these versions runs with this one.
const SPRING: &str = "org.springframework:spring-context:6.1.14";
/// The names of its settings for Spring.
const XBEAN: &str = "org.apache.xbean:xbean-spring:4.25";

const LOGGING: &str = "status = warn\nappender.out.type = Console\nappender.out.name = out\n\
    appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = %d{ISO8601} %p %m (%c)%n%throwable{5}\n\
    rootLogger.level = info\nrootLogger.appenderRef.out.ref = out\n";

/// Fetches the server.
///
/// # Errors
/// There is no Java, or Maven does not get it.
pub(super) fn fetch(place: &Place) -> Result<PathBuf> {
    artifacts::java()?;
    artifacts::cached(place, "activemq", ACTIVEMQ, |folder| {
        let parts = ["console", "spring", "broker", "kahadb-store", "amqp", "jaas"];
        let mut wanted: Vec<String> = parts
            .iter()
            .map(|part| format!("org.apache.activemq:activemq-{part}:{ACTIVEMQ}"))
            .collect();
        wanted.extend([SPRING, XBEAN].map(str::to_owned));
        wanted.extend(
            ["log4j-slf4j2-impl", "log4j-core"]
                .map(|part| format!("org.apache.logging.log4j:{part}:{LOG4J}")),
        );
        artifacts::maven(place, folder, &wanted, false)
    })
}

fn settings(port: u16, data: &Path) -> String {
    let data = data.display();
    format!(
        r#"<beans xmlns="http://www.springframework.org/schema/beans"
       xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:schemaLocation="http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans.xsd
                           http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="annals" useJmx="false"
          schedulerSupport="true" dataDirectory="{data}">
    <persistenceAdapter>
      <kahaDB directory="{data}/kahadb" journalDiskSyncStrategy="always"/>
    </persistenceAdapter>
    <plugins>
      <simpleAuthenticationPlugin anonymousAccessAllowed="true">
        <users><authenticationUser username="annals" password="annals" groups="users"/></users>
      </simpleAuthenticationPlugin>
    </plugins>
    <systemUsage>
      <systemUsage>
        <memoryUsage><memoryUsage limit="200 mb"/></memoryUsage>
        <storeUsage><storeUsage limit="4 gb"/></storeUsage>
        <tempUsage><tempUsage limit="1 gb"/></tempUsage>
      </systemUsage>
    </systemUsage>
    <transportConnectors>
      <transportConnector name="amqp"
        uri="amqp+nio://127.0.0.1:{port}?maximumConnections=1000&amp;wireFormat.maxFrameSize=104857600"/>
    </transportConnectors>
  </broker>
</beans>
"#
    )
}

/// Writes its settings and answers how to start it.
///
/// # Errors
/// A file cannot be written.
pub(super) fn launch(place: &Place, artifact: &Path) -> Result<Launch> {
    let run = place.run(Server::ActiveMq);
    let (conf, data) = (run.join("conf"), run.join("data"));
    artifacts::write(
        &conf.join("activemq.xml"),
        &settings(place.port(Server::ActiveMq), &data),
    )?;
    artifacts::write(&conf.join("log4j2.properties"), LOGGING)?;
    let args = [
        "-Xmx384m".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        format!("-Dactivemq.home={}", run.display()),
        format!("-Dactivemq.base={}", run.display()),
        format!("-Dactivemq.data={}", data.display()),
        "-cp".to_owned(),
        format!("{}:{}/libs/*", conf.display(), artifact.display()),
        "org.apache.activemq.console.Main".to_owned(),
        "start".to_owned(),
        format!("xbean:file:{}", conf.join("activemq.xml").display()),
    ];
    Ok(Launch {
        program: "java".into(),
        args: args.into_iter().map(Into::into).collect(),
        variables: Vec::new(),
        log: run.join(process::LOG),
        folder: run,
    })
}
