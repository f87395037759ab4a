//! RabbitMQ, from the packages of the system's distribution.
//!
//! In: a place. Out: its artifacts, and what to start.
//! Invariants: it listens on loopback only; the node and the daemon that knows its port are processes of their own,
//! each under its own pid.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{
    artifacts, debian,
    place::Place,
    process::{self, Launch, Noted},
    table::{RABBITMQ, Server},
};

/// Fetches the server and the Erlang it runs on.
///
/// # Errors
/// The packages cannot be had.
pub(super) fn fetch(place: &Place) -> Result<PathBuf> {
    artifacts::cached(place, "rabbitmq", RABBITMQ, |folder| {
        debian::unpack(folder, "rabbitmq-server", "erlang-")?;
        home(folder)?;
        let script = folder.join("root/usr/lib/erlang/bin/erl");
        let text =
            fs::read_to_string(&script).with_context(|| format!("cannot read {}", script.display()))?;
        artifacts::write(&script, &movable(&text))
    })
}

/// The script that starts Erlang, believing its variable also where the distribution wrote its own folder into every
/// branch.
fn movable(script: &str) -> String {
    let ours = "ROOTDIR=\"${ERL_ROOTDIR:-/usr/lib/erlang}\"\n";
    script.replace("ROOTDIR=/usr/lib/erlang\n", ours)
}

/// The server's folder inside the artifacts, which carries its version.
fn home(artifact: &Path) -> Result<PathBuf> {
    let above = artifact.join("root/usr/lib/rabbitmq/lib");
    let entries = fs::read_dir(&above).with_context(|| format!("cannot list {}", above.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.join("sbin/rabbitmq-server").is_file())
        .with_context(|| format!("{} holds no rabbitmq-server", above.display()))
}

/// With less room on its disk the node takes nothing.
const DISK_FREE: &str = "64MB";

/// Which version it is, as the distribution has it.
///
/// # Errors
/// It was not fetched.
pub(super) fn version(place: &Place) -> Result<String> {
    let home = home(&artifacts::folder(place, "rabbitmq", RABBITMQ))?;
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    let version = name.strip_prefix("rabbitmq_server-").unwrap_or(&name);
    Ok(version.to_owned())
}

fn settings(port: u16) -> String {
    format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\ndisk_free_limit.absolute = {DISK_FREE}\n\
         vm_memory_high_watermark.absolute = 1GB\nlog.console = true\nlog.console.level = info\n\
         log.file = false\n"
    )
}

/// Where Erlang is inside the artifacts.
const ERLANG: &str = "root/usr/lib/erlang";

/// What the node, the daemon and the tool that commands the node must know alike.
fn variables(place: &Place, artifact: &Path) -> Result<Vec<(&'static str, OsString)>> {
    let run = place.run(Server::RabbitMq);
    let [port, nodes, daemon] = place.ports(Server::RabbitMq)[..] else {
        anyhow::bail!("RabbitMQ has three ports");
    };
    let conf = run.join("conf");
    let erlang = artifact.join(ERLANG);
    let mut path = OsString::from(erlang.join("bin"));
    if let Some(before) = std::env::var_os("PATH") {
        path.push(":");
        path.push(before);
    }
    Ok(vec![
        ("HOME", run.join("data").into()),
        ("PATH", path),
        ("ERL_ROOTDIR", erlang.into()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ("ERL_EPMD_PORT", daemon.to_string().into()),
        ("RABBITMQ_NODENAME", "annals@localhost".into()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
        ("RABBITMQ_NODE_PORT", port.to_string().into()),
        ("RABBITMQ_DIST_PORT", nodes.to_string().into()),
        ("RABBITMQ_CONF_ENV_FILE", conf.join("env.conf").into()),
        ("RABBITMQ_CONFIG_FILE", conf.join("rabbitmq").into()),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", conf.join("advanced").into()),
        (
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            conf.join("enabled_plugins").into(),
        ),
        ("RABBITMQ_MNESIA_BASE", run.join("data/mnesia").into()),
        ("RABBITMQ_LOG_BASE", run.join("log").into()),
        ("RABBITMQ_PID_FILE", run.join("data/node.pid").into()),
        // The two cores are shared, and an idle scheduler that spins takes from the others.
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 2:2".into(),
        ),
        // Makes the script become the node instead of waiting for it, so that the pid is the node's.
        ("RUNNING_UNDER_SYSTEMD", "1".into()),
    ])
}

/// Makes the node believe that its disk is full, so that it takes nothing, or that it has room again.
///
/// # Errors
/// The node does not answer.
pub(super) fn fill(place: &Place, artifact: &Path, full: bool) -> Result<()> {
    let limit = if full { "1000000GB" } else { DISK_FREE };
    let program = home(artifact)?.join("sbin/rabbitmqctl");
    let output = Command::new(&program)
        .args(["set_disk_free_limit", limit])
        .envs(variables(place, artifact)?)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "rabbitmqctl set_disk_free_limit {limit}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Writes its settings, starts the daemon that knows its port, and answers how to start the node.
///
/// # Errors
/// A file cannot be written, or the daemon does not start.
pub(super) fn launch(place: &Place, artifact: &Path) -> Result<Launch> {
    let run = place.run(Server::RabbitMq);
    let conf = run.join("conf");
    artifacts::write(
        &conf.join("rabbitmq.conf"),
        &settings(place.port(Server::RabbitMq)),
    )?;
    artifacts::write(&conf.join("enabled_plugins"), "[].\n")?;
    artifacts::write(&conf.join("env.conf"), "")?;
    let variables = variables(place, artifact)?;
    let note = run.join("epmd.pid");
    if Noted::living(&note)?.is_none() {
        let epmd = Launch {
            program: artifact.join(ERLANG).join("bin/epmd"),
            args: ["-address", "127.0.0.1"].map(OsString::from).into(),
            variables: variables.clone(),
            folder: run.clone(),
            log: run.join("log/epmd.log"),
        };
        process::start(&epmd, &note).context("the daemon `epmd` does not start")?;
    }
    Ok(Launch {
        program: home(artifact)?.join("sbin/rabbitmq-server"),
        args: Vec::new(),
        variables,
        log: run.join(process::LOG),
        folder: run,
    })
}

#[cfg(test)]
mod tests {
    use super::movable;

    #[test]
    fn the_script_of_erlang_looks_where_it_was_unpacked() {
        let written = "if [ x ]\nthen\n    ROOTDIR=/usr/lib/erlang\nfi\n";
        let expected = "if [ x ]\nthen\n    ROOTDIR=\"${ERL_ROOTDIR:-/usr/lib/erlang}\"\nfi\n";
        assert_eq!(movable(written), expected);
    }
}
