//! ActiveMQ Artemis with AMQP 1.0.
//!
//! In: a place. Out: its artifacts, and what to start.
//! Invariants: it listens on loopback only and asks nobody who he is. Its instance, data included, is made once by
//! its own program and lies in the data folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    artifacts,
    place::Place,
    process::{self, Launch},
    table::{ARTEMIS, Server},
};

/// Fetches the server.
///
/// # Errors
/// There is no Java, or Maven does not get it.
pub(super) fn fetch(place: &Place) -> Result<PathBuf> {
    artifacts::java()?;
    artifacts::cached(place, "artemis", ARTEMIS, |folder| {
        let wanted = [format!("org.apache.activemq:apache-artemis:{ARTEMIS}:tar.gz:bin")];
        artifacts::maven(place, folder, &wanted, true)?;
        let archive = format!("libs/apache-artemis-{ARTEMIS}-bin.tar.gz");
        artifacts::run(folder, "tar", &["-xzf", &archive], &[])?;
        fs::remove_file(folder.join(&archive)).with_context(|| format!("cannot remove {archive}"))
    })
}

/// The settings with AMQP on our port; the program that writes them knows no option for it.
fn with_amqp_port(settings: &str, port: u16) -> Result<String> {
    const WRITTEN: &str = "<acceptor name=\"amqp\">tcp://127.0.0.1:5672?";
    ensure!(
        settings.matches(WRITTEN).count() == 1,
        "broker.xml has no acceptor for AMQP where this version writes it"
    );
    let ours = format!("<acceptor name=\"amqp\">tcp://127.0.0.1:{port}?");
    let disk = |percent: u8| format!("<max-disk-usage>{percent}</max-disk-usage>");
    // Tests fill no disk; one that is nearly full for other reasons must not stop them.
    Ok(settings.replace(WRITTEN, &ours).replace(&disk(90), &disk(99)))
}

/// Makes the instance once and answers how to start it.
///
/// # Errors
/// The instance cannot be made.
pub(super) fn launch(place: &Place, artifact: &Path) -> Result<Launch> {
    let run = place.run(Server::Artemis);
    let [amqp, core] = place.ports(Server::Artemis)[..] else {
        bail!("Artemis has two ports");
    };
    let instance = run.join("data/instance");
    let made = run.join("data/made");
    if !made.exists() {
        if instance.exists() {
            fs::remove_dir_all(&instance).with_context(|| format!("cannot remove {}", instance.display()))?;
        }
        let program = artifact.join(format!("apache-artemis-{ARTEMIS}/bin/artemis"));
        let core = core.to_string();
        let instance = instance.display().to_string();
        let mut args = vec![
            "create",
            &instance,
            "--host",
            "127.0.0.1",
            "--default-port",
            &core,
        ];
        args.extend([
            "--user",
            "annals",
            "--password",
            "annals",
            "--allow-anonymous",
            "--silent",
        ]);
        args.extend(["--no-web", "--no-autotune", "--nio", "--no-hornetq-acceptor"]);
        args.extend(["--no-mqtt-acceptor", "--no-stomp-acceptor"]);
        artifacts::run(&run.join("log"), &program, &args, &[])?;
        let file = run.join("data/instance/etc/broker.xml");
        let settings =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        artifacts::write(&file, &with_amqp_port(&settings, amqp)?)?;
        artifacts::write(&made, "")?;
    }
    Ok(Launch {
        program: instance.join("bin/artemis"),
        args: vec!["run".into()],
        variables: vec![(
            "JAVA_ARGS",
            "-Xmx384m -XX:+UseSerialGC -Dlog4j2.disableJmx=true --add-opens java.base/jdk.internal.misc=ALL-UNNAMED"
                .into(),
        )],
        log: run.join(process::LOG),
        folder: run,
    })
}

#[cfg(test)]
mod tests {
    use super::with_amqp_port;

    #[test]
    fn amqp_moves_to_our_port_and_nothing_else_does() {
        let core = "<acceptor name=\"artemis\">tcp://127.0.0.1:21572?a=1</acceptor>";
        let amqp = |port: u16| format!("{core}<acceptor name=\"amqp\">tcp://127.0.0.1:{port}?b=2</acceptor>");
        assert_eq!(with_amqp_port(&amqp(5672), 21571).unwrap(), amqp(21571));
        assert!(with_amqp_port(core, 21571).is_err());
        assert!(with_amqp_port(&amqp(5673), 21571).is_err());
    }
}
