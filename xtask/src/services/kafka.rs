//! Apache Kafka: one node that is broker and controller.
//!
//! In: a place. Out: its artifacts, and what to start.
//! Invariants: it listens on loopback only, and creates no topic that nobody asked for. It asks nobody who he is but at one
//! door, where `annals` with the password `annals` is let in. Its times are short, so that
//! groups and killed brokers come back fast.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{
    artifacts,
    place::Place,
    process::{self, Launch},
    table::{KAFKA, LOG4J, Server},
};

/// The cluster's id: any 16 bytes in base 64 will do, and the same ones every time are one start less.
const CLUSTER: &str = "annals-test-services-A";

const LOGGING: &str = "status = warn\nappender.out.type = Console\nappender.out.name = out\n\
    appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = %d{ISO8601} %p %m (%c)%n\n\
    rootLogger.level = info\nrootLogger.appenderRef.out.ref = out\n";

/// Fetches the server.
///
/// # Errors
/// There is no Java, or Maven does not get it.
pub(super) fn fetch(place: &Place) -> Result<PathBuf> {
    artifacts::java()?;
    artifacts::cached(place, "kafka", KAFKA, |folder| {
        let wanted = [
            format!("org.apache.kafka:kafka_2.13:{KAFKA}"),
            format!("org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}"),
            format!("org.apache.logging.log4j:log4j-core:{LOG4J}"),
        ];
        artifacts::maven(place, folder, &wanted, false)
    })
}

fn settings(ports: [u16; 4], data: &Path) -> String {
    let [client, controller, second, known] = ports;
    let proxy = second + 1;
    let lines = [
        "process.roles=broker,controller".to_owned(),
        "node.id=1".to_owned(),
        format!("controller.quorum.bootstrap.servers=127.0.0.1:{controller}"),
        format!(
            "listeners=PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller},\
             PROXIED://127.0.0.1:{second},KNOWN://127.0.0.1:{known}"
        ),
        format!(
            "advertised.listeners=PLAINTEXT://127.0.0.1:{client},PROXIED://127.0.0.1:{proxy},\
             KNOWN://127.0.0.1:{known}"
        ),
        "controller.listener.names=CONTROLLER".to_owned(),
        "inter.broker.listener.name=PLAINTEXT".to_owned(),
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,\
         KNOWN:SASL_PLAINTEXT"
            .to_owned(),
        format!("log.dirs={}", data.display()),
        format!("{FIXED}\n"),
    ];
    lines.join("\n")
}

/// Settings that depend on nothing.
const FIXED: &str = "auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
group.consumer.min.session.timeout.ms=500
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=500
message.max.bytes=10485760
replica.fetch.max.bytes=10485760
log.cleaner.dedupe.buffer.size=16777216
sasl.enabled.mechanisms=PLAIN
listener.name.known.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  user_annals=\"annals\";
num.network.threads=2
num.io.threads=2";

/// Writes its settings, prepares its data folder once, and answers how to start it.
///
/// # Errors
/// A file cannot be written, or the data folder cannot be prepared.
pub(super) fn launch(place: &Place, artifact: &Path) -> Result<Launch> {
    let run = place.run(Server::Kafka);
    let [client, controller, second, known] = place.ports(Server::Kafka)[..] else {
        bail!("Kafka has four ports");
    };
    let ports = [client, controller, second, known];
    let (conf, data) = (run.join("conf"), run.join("data"));
    let (properties, logging) = (conf.join("server.properties"), conf.join("log4j2.properties"));
    artifacts::write(&properties, &settings(ports, &data))?;
    artifacts::write(&logging, LOGGING)?;
    let java = |heap: &str| {
        vec![
            heap.to_owned(),
            "-XX:+UseSerialGC".to_owned(),
            format!("-Dlog4j2.configurationFile={}", logging.display()),
            "-cp".to_owned(),
            format!("{}/libs/*", artifact.display()),
        ]
    };
    let formatted = data.join("formatted");
    if !formatted.exists() {
        let mut args = java("-Xmx128m");
        args.extend(
            [
                "kafka.tools.StorageTool",
                "format",
                "--ignore-formatted",
                "--standalone",
                "-t",
            ]
            .map(str::to_owned),
        );
        args.extend([
            CLUSTER.to_owned(),
            "-c".to_owned(),
            properties.display().to_string(),
        ]);
        artifacts::run(&run.join("log"), "java", &args, &[])?;
        artifacts::write(&formatted, "")?;
    }
    let mut args = java("-Xmx384m");
    args.extend(["kafka.Kafka".to_owned(), properties.display().to_string()]);
    Ok(Launch {
        program: "java".into(),
        args: args.into_iter().map(Into::into).collect(),
        variables: Vec::new(),
        log: run.join(process::LOG),
        folder: run,
    })
}
