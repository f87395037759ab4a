//! Packages of Debian and its kin, unpacked without being installed.
//!
//! In: the name of a package. Out: it and some of what it needs, unpacked into a folder.
//! Invariants: no root is needed, and nothing of the system changes; where the system's package lists are missing
//! or old, lists of the folder's own are fetched and left in it.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use super::artifacts::{create, run};

/// Unpacks `package` and those packages it needs whose names begin with `prefix` into the folder `root` inside
/// `folder`.
///
/// # Errors
/// The system has no such packages or no tools for them.
pub(super) fn unpack(folder: &Path, package: &str, prefix: &str) -> Result<()> {
    let system = vec!["-o".to_owned(), "APT::Sandbox::User=root".to_owned()];
    if download(folder, package, prefix, &system).is_err() {
        let own = own_lists(folder, system)?;
        download(folder, package, prefix, &own)?;
    }
    let root = folder.join("root");
    create(&root)?;
    for file in archives(folder)? {
        run(folder, "dpkg-deb", &["-x", &file, "root"], &[])?;
        fs::remove_file(folder.join(&file)).with_context(|| format!("cannot remove {file}"))?;
    }
    Ok(())
}

fn download(folder: &Path, package: &str, prefix: &str, options: &[String]) -> Result<()> {
    let mut args = options.to_vec();
    args.extend(["depends", "--recurse"].map(str::to_owned));
    let kinds = [
        "recommends",
        "suggests",
        "conflicts",
        "breaks",
        "replaces",
        "enhances",
    ];
    args.extend(kinds.map(|kind| format!("--no-{kind}")));
    args.push(package.to_owned());
    let needs = needed(&run(folder, "apt-cache", &args, &[])?, prefix);
    ensure!(
        !needs.is_empty(),
        "`{package}` needs no `{prefix}…` in the package lists"
    );
    let mut args = options.to_vec();
    args.extend(["-q".to_owned(), "download".to_owned(), package.to_owned()]);
    args.extend(needs);
    run(folder, "apt-get", &args, &[])?;
    Ok(())
}

/// Names of packages in what `apt-cache depends` prints: they stand at the beginning of a line.
fn needed(text: &str, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with(prefix) && !line.contains(char::is_whitespace))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Options for package lists inside `folder`, freshly fetched.
fn own_lists(folder: &Path, mut options: Vec<String>) -> Result<Vec<String>> {
    for inner in ["apt/state/lists/partial", "apt/cache/archives/partial"] {
        create(&folder.join(inner))?;
    }
    let apt = folder.join("apt");
    for (name, value) in [
        ("Dir::State", apt.join("state")),
        ("Dir::State::lists", apt.join("state/lists")),
        ("Dir::Cache", apt.join("cache")),
        ("Dir::State::status", "/var/lib/dpkg/status".into()),
    ] {
        options.extend(["-o".to_owned(), format!("{name}={}", value.display())]);
    }
    let mut args = options.clone();
    args.extend(["-q".to_owned(), "update".to_owned()]);
    run(folder, "apt-get", &args, &[])?;
    Ok(options)
}

fn archives(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.ends_with(".deb")).collect())
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn only_packages_of_the_kind_are_taken() {
        let text = "rabbitmq-server\n  Depends: erlang-base\n    erlang-base-hipe\nerlang-ssl\n  Depends: libc6\n\
                    libc6\nerlang-base\nerlang-ssl\n<erlang-abi>\n";
        assert_eq!(needed(text, "erlang-"), ["erlang-base", "erlang-ssl"]);
    }
}
