//! Shuts a process in before it sees the first byte of an attacker.
//!
//! Layers, each enough to stop most of what the next one stops: no capabilities and an own uid (when
//! started as root), no new privileges, no core dumps, a bounded number of descriptors, Landlock (no
//! files, no TCP, no signals to outside), and a seccomp filter. Works without root.

mod drill;
mod filter;
mod jail;
mod seccomp;

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

pub use drill::{Verdict, drill};

/// Who is to be shut in.
#[derive(Debug)]
pub enum Role<'a> {
    /// A decky's worker: it has its sockets, and needs nothing else.
    Worker {
        /// The sockets that datagrams may be sent from, to whoever asked.
        datagrams: &'a [RawFd],
    },
    /// The observer of the wire: it reads packets, and writes events and nothing else.
    Observer {
        /// The socket that events go to.
        events: RawFd,
    },
    /// The event writer: it writes below one directory and sends log messages out.
    Writer {
        /// The events directory.
        directory: BorrowedFd<'a>,
    },
}

/// What to apply.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Who is to be shut in.
    pub role: Role<'a>,
    /// Most descriptors it may have open.
    pub descriptors: u64,
    /// The uid and gid to become when started as root; should belong to nobody else.
    pub uid: u32,
}

/// What was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The uid after entering.
    pub uid: u32,
    /// Landlock ABI in force; 0 on a kernel without Landlock.
    pub landlock: i32,
    /// Number of seccomp filters in force.
    pub seccomp_filters: u32,
    /// Capabilities left; always 0.
    pub capabilities: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, landlock {}, seccomp {}", self.uid, self.landlock, self.seccomp_filters)
    }
}

/// Why a process could not be shut in. It must not serve then.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A system call of the set-up failed.
    #[error("cannot enter the sandbox: {step}: {source}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Landlock is there and refused.
    #[error("cannot enter the sandbox: Landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// Seccomp refused.
    #[error("cannot enter the sandbox: seccomp: {0}")]
    Seccomp(String),
    /// The self-test found a hole.
    #[error("the sandbox does not hold: {0} was not denied; decnet will not serve like this")]
    Leaks(&'static str),
}

fn step<T>(step: &'static str, result: Result<T, impl Into<io::Error>>) -> Result<T, SandboxError> {
    result.map_err(|e| SandboxError::Step { step, source: e.into() })
}

/// Asks the kernel to kill this process when the thread that started it ends. The caller must then
/// look whether that had already happened (its control socket is at its end).
///
/// # Errors
/// The kernel refused.
pub fn die_with_parent() -> Result<(), SandboxError> {
    step("set the death signal", rustix::process::set_parent_process_death_signal(Some(Signal::KILL)))
}

/// Does once, in the process that workers are forked from, what would be the same in each: drops the
/// capability bounding set, and works the filter out.
///
/// # Errors
/// The kernel refused.
pub fn prepare() -> Result<(), SandboxError> {
    jail::drop_bounding_set()?;
    seccomp::prepare();
    Ok(())
}

/// Enters the sandbox, for good. Call it from the only thread of the process.
///
/// # Errors
/// Any layer that cannot be applied although the kernel has it.
pub fn enter(plan: &Plan<'_>) -> Result<Report, SandboxError> {
    jail::drop_privileges(plan.uid)?;
    if let Role::Worker { .. } | Role::Observer { .. } = plan.role {
        // A change of credentials cleared it.
        die_with_parent()?;
    }
    step("forbid new privileges", rustix::thread::set_no_new_privs(true))?;
    step("forbid core dumps", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, plan.descriptors)?;
    let landlock = jail::landlock(&plan.role)?;
    let seccomp_filters = seccomp::apply(&plan.role)?;
    Ok(Report { uid: rustix::process::geteuid().as_raw(), landlock, seccomp_filters, capabilities: 0 })
}

/// Lowers a limit, never raises one.
fn limit(resource: Resource, most: u64) -> Result<(), SandboxError> {
    let now = rustix::process::getrlimit(resource);
    let bound = most.min(now.maximum.unwrap_or(u64::MAX));
    let both = Rlimit { current: Some(bound), maximum: Some(bound) };
    step("set a resource limit", rustix::process::setrlimit(resource, both))
}

/// Tries what a worker must never be able to do.
///
/// # Errors
/// [`SandboxError::Leaks`] names the first thing that was not denied.
pub fn self_test() -> Result<(), SandboxError> {
    use rustix::fs::{Mode, OFlags};
    use rustix::net::{AddressFamily, SocketType};

    let socket = |family, kind| rustix::net::socket(family, kind, None).map(drop);
    denied("a TCP socket", socket(AddressFamily::INET, SocketType::STREAM))?;
    denied("a UDP socket", socket(AddressFamily::INET, SocketType::DGRAM))?;
    denied("a UNIX socket", socket(AddressFamily::UNIX, SocketType::STREAM))?;
    let open = |path: &str, flags| rustix::fs::open(path, flags, Mode::empty()).map(drop);
    denied("reading /etc/passwd", open("/etc/passwd", OFlags::RDONLY))?;
    denied("reading /proc/self/environ", open("/proc/self/environ", OFlags::RDONLY))?;
    denied("writing into /tmp", open("/tmp", OFlags::WRONLY.union(OFlags::TMPFILE)))?;
    denied("running a program", Err::<(), _>(super::sys::try_exec()))
}

fn denied<T, E: Into<io::Error>>(what: &'static str, outcome: Result<T, E>) -> Result<(), SandboxError> {
    match outcome.map_err(Into::into) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        _ => Err(SandboxError::Leaks(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_counts_as_denied() {
        assert!(denied("x", Err::<(), _>(rustix::io::Errno::PERM)).is_ok());
        assert!(denied("x", Err::<(), _>(rustix::io::Errno::ACCESS)).is_ok());
        assert!(denied("x", Err::<(), _>(rustix::io::Errno::NOENT)).is_err());
        assert!(denied("x", Ok::<_, rustix::io::Errno>(())).is_err());
    }

    #[test]
    fn an_open_process_fails_the_self_test() {
        assert!(matches!(self_test(), Err(SandboxError::Leaks("a TCP socket"))));
    }
}
