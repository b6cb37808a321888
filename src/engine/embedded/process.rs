//! One child process: watched by a pidfd, never left behind.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::host::sys;

/// How long a killed process may take to be gone.
const KILLED: Duration = Duration::from_secs(5);

/// A running child. Dropping it kills it.
pub(super) struct Process {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
    started: Instant,
    reaped: bool,
}

impl Process {
    /// Runs this very program as `hidden 3`, with `fds` as descriptors 3, 4, 5, …; nothing else of
    /// ours reaches it but standard error.
    pub(super) fn spawn(hidden: &str, fds: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.args([hidden, "3"]).env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        let child = sys::spawn_with_fds(&mut command, fds)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Self::adopt(pid.ok_or(io::ErrorKind::InvalidInput)?)
    }

    /// Takes care of a child of this process that nothing has waited for yet.
    pub(super) fn adopt(pid: Pid) -> io::Result<Self> {
        match watch(pid) {
            Ok(pidfd) => Ok(Self { pid, pidfd, started: Instant::now(), reaped: false }),
            Err(error) => {
                // Ours and not waited for: the number belongs to nobody else.
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
                Err(error)
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    pub(super) fn lived(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until it ended; says how. Safe to cancel.
    pub(super) async fn ended(&mut self) -> io::Result<String> {
        loop {
            let mut ready = self.pidfd.readable().await?;
            if let Some(status) = reap(ready.get_inner().as_fd())? {
                self.reaped = true;
                return Ok(how(&status));
            }
            ready.clear_ready();
        }
    }

    /// Gives it `grace` to end by itself, then kills it.
    pub(super) async fn end(mut self, grace: Duration) -> Result<String, String> {
        if let Ok(ended) = tokio::time::timeout(grace, self.ended()).await {
            return ended.map_err(|e| e.to_string());
        }
        self.kill();
        match tokio::time::timeout(KILLED, self.ended()).await {
            Ok(ended) => ended.map_err(|e| e.to_string()),
            Err(_) => Err(format!("process {} does not end although it was killed", self.pid())),
        }
    }

    pub(super) fn kill(&self) {
        // It may just have ended.
        let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            let _ = reap(self.pidfd.get_ref().as_fd());
        }
    }
}

fn watch(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    sys::watch(pidfd_open(pid, PidfdFlags::empty())?, Interest::READABLE)
}

/// How it ended, if it did.
fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Option<WaitIdStatus>> {
    Ok(waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)?)
}

fn how(status: &WaitIdStatus) -> String {
    match (status.terminating_signal(), status.exit_status()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "an unknown end".to_owned(),
    }
}
