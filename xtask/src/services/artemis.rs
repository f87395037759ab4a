//! ActiveMQ Artemis with AMQP 1.0.
//!
//! In: a place. Out: its artifacts, and what to start.
//! Invariants: it listens on loopback only and asks nobody who he is; who says so has to be `annals` with the password
//! `annals`. Its instance, data included, is made once by its own program and lies in the data folder.

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

/// The settings with a topic that has little room, and takes nothing more when it is full.
fn with_small_room(settings: &str) -> Result<String> {
    const WRITTEN: &str = "<address-settings>";
    const OURS: &str = "<address-setting match=\"annals.*.stuffed\">";
    if settings.contains(OURS) {
        return Ok(settings.to_owned());
    }
    ensure!(
        settings.matches(WRITTEN).count() == 1,
        "broker.xml has no settings of addresses where this version writes them"
    );
    let room = "<max-size-bytes>65536</max-size-bytes><address-full-policy>BLOCK</address-full-policy>";
    let ours = format!("{WRITTEN}\n         {OURS}{room}</address-setting>");
    Ok(settings.replace(WRITTEN, &ours))
}

/// The rules of who is let in, with one more: who says who he is has to be somebody we know. Without it a wrong password
/// makes one a guest.
fn with_wrong_passwords_refused(rules: &str) -> Result<String> {
    const OURS: &str = "credentialsInvalidate=true";
    const GUEST: &str = "GuestLoginModule sufficient";
    if rules.contains(OURS) {
        return Ok(rules.to_owned());
    }
    ensure!(
        rules.matches(GUEST).count() == 1,
        "login.config has no guest where this version writes it"
    );
    Ok(rules.replace(GUEST, &format!("{GUEST}\n       {OURS}")))
}

/// Changes a file of the instance.
fn change(file: &Path, how: impl Fn(&str) -> Result<String>) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    artifacts::write(file, &how(&text)?)
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
        let made_at = instance.display().to_string();
        let mut args = vec!["create", &made_at, "--host", "127.0.0.1", "--default-port", &core];
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
        change(&instance.join("etc/broker.xml"), |text| {
            with_amqp_port(text, amqp)
        })?;
        artifacts::write(&made, "")?;
    }
    // Each time: an instance may be older than these lines.
    change(&instance.join("etc/broker.xml"), with_small_room)?;
    change(&instance.join("etc/login.config"), with_wrong_passwords_refused)?;
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
    use super::{with_amqp_port, with_small_room, with_wrong_passwords_refused};

    #[test]
    fn what_is_added_is_added_once() {
        let rules = "a.GuestLoginModule sufficient\n       debug=false";
        let once = with_wrong_passwords_refused(rules).unwrap();
        assert!(
            once.contains("credentialsInvalidate=true") && once.contains("debug=false"),
            "{once}"
        );
        assert_eq!(with_wrong_passwords_refused(&once).unwrap(), once);
        assert!(with_wrong_passwords_refused("nobody").is_err());
        let once = with_small_room("<address-settings></address-settings>").unwrap();
        assert_eq!(once.matches("stuffed").count(), 1);
        assert_eq!(with_small_room(&once).unwrap(), once);
        assert!(with_small_room("<core/>").is_err());
    }

    #[test]
    fn amqp_moves_to_our_port_and_nothing_else_does() {
        let core = "<acceptor name=\"artemis\">tcp://127.0.0.1:21572?a=1</acceptor>";
        let amqp = |port: u16| format!("{core}<acceptor name=\"amqp\">tcp://127.0.0.1:{port}?b=2</acceptor>");
        assert_eq!(with_amqp_port(&amqp(5672), 21571).unwrap(), amqp(21571));
        assert!(with_amqp_port(core, 21571).is_err());
        assert!(with_amqp_port(&amqp(5673), 21571).is_err());
    }
}
