//! A disk that can lose its power: a file system on a loop device, shut down by its own ioctl.
//!
//! In: a folder and a kind of file system. Out: a mounted folder, cuts, and the same folder as it is after a restart.
//! Invariants: one image of bounded size at a time, in the project's own folder; mount and image are gone when the value
//! is dropped, and also when this process is killed, because a guard of its own waits for that.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

/// Bytes of an image; it is sparse. XFS takes none below 300 MiB.
const IMAGE_BYTES: u64 = 512 << 20;

/// Waits for its standard input to end, then takes mount and folder away.
const GUARD: &str = r#"trap '' INT TERM HUP
cat > /dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do
  mountpoint -q "$1" || break
  umount "$1" 2> /dev/null || sleep 0.3
done
mountpoint -q "$1" && umount -l "$1"
rm -rf "$2"
"#;

/// Waits for a line and shuts the file system down without flushing its journal: `EXT4_IOC_SHUTDOWN` and
/// `XFS_IOC_GOINGDOWN` are one number, 2 is `NOLOGFLUSH` in both. Without a line it does nothing.
const CUTTER: &str = "
import fcntl, os, struct, sys
print('ready', flush=True)
if sys.stdin.readline():
    folder = os.open(sys.argv[1], os.O_RDONLY)
    fcntl.ioctl(folder, 0x8004587D, struct.pack('I', 2))
    print('cut', flush=True)
";

/// Which file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileSystem {
    /// ext4 with its defaults.
    Ext4,
    /// XFS with its defaults.
    Xfs,
}

impl FileSystem {
    /// As `mount` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    fn maker(self) -> (&'static str, [&'static str; 2]) {
        match self {
            Self::Ext4 => ("mkfs.ext4", ["-q", "-F"]),
            Self::Xfs => ("mkfs.xfs", ["-q", "-f"]),
        }
    }

    /// What is missing to run on it, if anything is.
    pub(crate) fn missing(self) -> Option<String> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/loop-control").exists() {
            return Some("needs root and loop devices".to_owned());
        }
        let programs = [
            "mount",
            "umount",
            "mountpoint",
            "python3",
            "setpriv",
            self.maker().0,
        ];
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found =
            |program: &&str| std::env::split_paths(&paths).any(|folder| folder.join(program).is_file());
        let missing: Vec<&str> = programs.into_iter().filter(|program| !found(program)).collect();
        (!missing.is_empty()).then(|| format!("needs {}", missing.join(", ")))
    }
}

/// A mounted file system that can be cut.
pub(crate) struct CutDisk {
    image: PathBuf,
    mount: PathBuf,
    /// Dropped before the guard is waited for: its end is what the guard waits for.
    leash: Option<ChildStdin>,
    guard: Child,
}

impl CutDisk {
    /// Makes and mounts a fresh one under a folder, and takes away what an earlier run left there.
    ///
    /// # Errors
    /// The system refuses: it has no loop device left, or does not know the file system.
    pub(crate) fn new(folder: &Path, kind: FileSystem) -> Result<Self> {
        let folder = folder.join(kind.name());
        let (image, mount) = (folder.join("disk.img"), folder.join("disk"));
        sweep(&mount)?;
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&mount).with_context(|| format!("cannot make {}", mount.display()))?;
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard"]).args([&mount, &folder]);
        // Of a group of its own, so that Ctrl-C does not reach it.
        let mut guard = guard
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot run `sh`")?;
        let leash = guard.stdin.take();
        let disk = Self {
            image,
            mount,
            leash,
            guard,
        };
        File::create(&disk.image)
            .and_then(|file| file.set_len(IMAGE_BYTES))
            .context("cannot make an image")?;
        let (maker, flags) = kind.maker();
        run(Command::new(maker).args(flags).arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Something that cuts it at once when told, so that the moment is the caller's.
    ///
    /// # Errors
    /// Python cannot be run.
    pub(crate) fn cutter(&self) -> Result<Cutter> {
        let mut child = Command::new("python3")
            .args(["-c", CUTTER])
            .arg(&self.mount)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run `python3`")?;
        let mut ready = [0; 6];
        let out = child.stdout.as_mut().context("it was started with a pipe")?;
        out.read_exact(&mut ready)
            .context("the cutter ended before it was ready")?;
        Ok(Cutter { child })
    }

    /// After a cut, when nothing runs on it any more: everything the kernel remembers of it is dropped, and what is on
    /// the medium is mounted again.
    ///
    /// # Errors
    /// Something still uses it, or the file system cannot be mounted any more.
    pub(crate) fn restart(&self) -> Result<()> {
        unmount(&self.mount)?;
        self.mount()
    }

    fn mount(&self) -> Result<()> {
        // The loop device goes away with the mount.
        run(Command::new("mount")
            .args(["-o", "loop"])
            .args([&self.image, &self.mount]))
    }
}

impl Drop for CutDisk {
    fn drop(&mut self) {
        drop(self.leash.take());
        // The guard clears up; a failure leaves what the next run takes away.
        let _cleared = self.guard.wait();
    }
}

/// Waits to cut.
pub(crate) struct Cutter {
    child: Child,
}

impl Cutter {
    /// Cuts. When it returns, nothing more reaches the medium.
    ///
    /// # Errors
    /// The file system refuses.
    pub(crate) fn cut(mut self) -> Result<()> {
        let mut stdin = self.child.stdin.take().context("it was started with a pipe")?;
        stdin
            .write_all(b"cut\n")
            .context("the cutter ended before it was asked")?;
        drop(stdin);
        let status = self.child.wait().context("cannot wait for the cutter")?;
        if !status.success() {
            bail!("the file system cannot be shut down: {status}");
        }
        Ok(())
    }
}

/// Takes away what an earlier run left mounted.
fn sweep(mount: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    let here = mount.to_string_lossy();
    let left = mounts
        .lines()
        .filter(|line| line.split(' ').nth(1) == Some(&*here))
        .count();
    for _ in 0..left {
        unmount(mount)?;
    }
    Ok(())
}

fn unmount(mount: &Path) -> Result<()> {
    let mut last = Ok(());
    for _ in 0..50 {
        last = run(Command::new("umount").arg(mount).stderr(Stdio::null()));
        if last.is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    last
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
