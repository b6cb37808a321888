//! The escape drill: what code that took over a worker would try, each in a child of its own that
//! entered a worker's sandbox first.

use super::super::sys::{Arg, Attempt, End, attempt_in_child};
use super::{Plan, Role, enter};

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What.
    pub what: &'static str,
    /// Whether the sandbox denied it.
    pub denied: bool,
    /// How it ended, in words.
    pub how: String,
}

/// Tries everything; `denied` must be true throughout. Forks: call it from a process with one thread.
pub fn drill() -> Vec<Verdict> {
    let plan = Plan { role: Role::Worker { datagrams: &[] }, descriptors: 64, uid: 65_534 };
    run(|| enter(&plan).is_ok(), |_| true)
}

fn run(enter: impl Fn() -> bool, wanted: impl Fn(&str) -> bool) -> Vec<Verdict> {
    ACTIONS
        .iter()
        .filter(|(what, _)| wanted(what))
        .map(|(what, attempt)| {
            let end = attempt_in_child(&enter, attempt);
            let denied =
                matches!(&end, Ok(End::Failed(libc::EPERM | libc::EACCES) | End::Killed(libc::SIGSYS)));
            let how = match end {
                Ok(End::Worked) => "it worked".to_owned(),
                Ok(End::NoSandbox) => "the sandbox could not be entered".to_owned(),
                Ok(End::Failed(errno)) => std::io::Error::from_raw_os_error(errno).to_string(),
                Ok(End::Killed(libc::SIGSYS)) => "killed by seccomp".to_owned(),
                Ok(End::Killed(signal)) => format!("killed by signal {signal}"),
                Err(error) => format!("cannot fork: {error}"),
            };
            Verdict { what, denied, how }
        })
        .collect()
}

const fn call(call: libc::c_long, args: [Arg; 6]) -> Attempt {
    Attempt { call, args }
}

/// A number that may be shorter than a register.
const fn int(n: i64) -> Arg {
    Arg::Int(n)
}

const O: Arg = Arg::Int(0);
const CWD: Arg = Arg::Int(libc::AT_FDCWD as i64);
const LEN: Arg = Arg::Int(size_of::<libc::sockaddr_in>() as i64);

const fn socket(family: i32, kind: i32, protocol: i32) -> Attempt {
    call(libc::SYS_socket, [int(family as i64), int(kind as i64), int(protocol as i64), O, O, O])
}

const fn open(path: &'static std::ffi::CStr, flags: i32) -> Attempt {
    call(libc::SYS_openat, [CWD, Arg::Text(path), int(flags as i64), int(0o600), O, O])
}

/// What is tried. Arguments are such that nothing is harmed should a call work after all.
const ACTIONS: &[(&str, Attempt)] = &[
    ("a TCP socket", socket(libc::AF_INET, libc::SOCK_STREAM, 0)),
    ("a TCP socket over IPv6", socket(libc::AF_INET6, libc::SOCK_STREAM, 0)),
    ("an MPTCP socket", socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)),
    ("a UDP socket", socket(libc::AF_INET, libc::SOCK_DGRAM, 0)),
    ("a raw socket", socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    ("a packet socket", socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ("a netlink socket", socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)),
    ("a vsock socket", socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    ("a UNIX socket", socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)),
    ("a socket pair", call(libc::SYS_socketpair, [int(1), int(1), O, Arg::Buffer, O, O])),
    ("connecting", call(libc::SYS_connect, [Arg::Socket, Arg::Address, LEN, O, O, O])),
    ("binding", call(libc::SYS_bind, [Arg::Socket, Arg::Address, LEN, O, O, O])),
    ("listening", call(libc::SYS_listen, [Arg::Socket, int(1), O, O, O, O])),
    (
        "sending to an address",
        call(libc::SYS_sendto, [Arg::Socket, Arg::Buffer, int(1), O, Arg::Address, LEN]),
    ),
    (
        "TCP fast open",
        call(libc::SYS_sendto, [Arg::Socket, Arg::Buffer, int(1), int(libc::MSG_FASTOPEN as i64), O, O]),
    ),
    ("passing a descriptor", call(libc::SYS_sendmsg, [Arg::Socket, Arg::Buffer, O, O, O, O])),
    ("receiving a descriptor", call(libc::SYS_recvmsg, [Arg::Socket, Arg::Buffer, int(64), O, O, O])),
    (
        "attaching a socket filter",
        call(
            libc::SYS_setsockopt,
            [
                Arg::Socket,
                int(libc::SOL_SOCKET as i64),
                int(libc::SO_ATTACH_FILTER as i64),
                Arg::Buffer,
                int(16),
                O,
            ],
        ),
    ),
    ("reading /etc/passwd", open(c"/etc/passwd", libc::O_RDONLY)),
    ("reading /etc/shadow", open(c"/etc/shadow", libc::O_RDONLY)),
    ("reading /proc/1/environ", open(c"/proc/1/environ", libc::O_RDONLY)),
    ("writing its own memory file", open(c"/proc/self/mem", libc::O_RDWR)),
    ("writing into /tmp", open(c"/tmp/decnet-drill", libc::O_CREAT | libc::O_WRONLY)),
    ("a nameless file", open(c"/tmp", libc::O_TMPFILE | libc::O_RDWR)),
    ("listing /", open(c"/", libc::O_RDONLY | libc::O_DIRECTORY)),
    ("a path descriptor", open(c"/", libc::O_PATH)),
    ("removing a file", call(libc::SYS_unlinkat, [CWD, Arg::Text(c"/tmp/decnet-drill"), O, O, O, O])),
    (
        "making a directory",
        call(libc::SYS_mkdirat, [CWD, Arg::Text(c"/tmp/decnet-drill.d"), int(0o700), O, O, O]),
    ),
    (
        "a symbolic link",
        call(libc::SYS_symlinkat, [Arg::Text(c"/"), CWD, Arg::Text(c"/tmp/decnet-drill.l"), O, O, O]),
    ),
    (
        "changing a mode",
        call(libc::SYS_fchmodat, [CWD, Arg::Text(c"/tmp/decnet-drill"), int(0o777), O, O, O]),
    ),
    ("running a program", call(libc::SYS_execve, [Arg::Text(c"/bin/true"), O, O, O, O, O])),
    ("running a program by descriptor", call(libc::SYS_execveat, [CWD, Arg::Text(c"/bin/true"), O, O, O, O])),
    ("a child process", call(libc::SYS_clone, [int(libc::SIGCHLD as i64), O, O, O, O, O])),
    ("a child process, newer way", call(libc::SYS_clone3, [Arg::Buffer, int(64), O, O, O, O])),
    ("executable memory", call(libc::SYS_mmap, [O, int(4096), int(5), int(0x22), int(-1), O])),
    ("making memory executable", call(libc::SYS_mprotect, [O, O, int(5), O, O, O])),
    ("a file in memory", call(libc::SYS_memfd_create, [Arg::Text(c"x"), O, O, O, O, O])),
    ("signalling the parent", call(libc::SYS_kill, [Arg::Parent, O, O, O, O, O])),
    ("signalling the parent's thread", call(libc::SYS_tgkill, [Arg::Parent, Arg::Parent, O, O, O, O])),
    ("queueing a signal", call(libc::SYS_rt_sigqueueinfo, [Arg::Parent, O, Arg::Buffer, O, O, O])),
    ("tracing", call(libc::SYS_ptrace, [O, O, O, O, O, O])),
    ("reading the parent's memory", call(libc::SYS_process_vm_readv, [Arg::Parent, O, O, O, O, O])),
    ("a handle on the parent", call(libc::SYS_pidfd_open, [Arg::Parent, O, O, O, O, O])),
    ("setuid 0", call(libc::SYS_setuid, [O, O, O, O, O, O])),
    ("setting capabilities", call(libc::SYS_capset, [Arg::Buffer, O, O, O, O, O])),
    ("a user namespace", call(libc::SYS_unshare, [int(libc::CLONE_NEWUSER as i64), O, O, O, O, O])),
    ("another namespace", call(libc::SYS_setns, [Arg::Socket, O, O, O, O, O])),
    (
        "mounting",
        call(libc::SYS_mount, [Arg::Text(c"none"), Arg::Text(c"/nonexistent"), Arg::Text(c"tmpfs"), O, O, O]),
    ),
    ("changing the root", call(libc::SYS_chroot, [Arg::Text(c"/"), O, O, O, O, O])),
    ("eBPF", call(libc::SYS_bpf, [O, Arg::Buffer, int(64), O, O, O])),
    ("io_uring", call(libc::SYS_io_uring_setup, [int(4), Arg::Buffer, O, O, O, O])),
    ("userfaultfd", call(libc::SYS_userfaultfd, [O, O, O, O, O, O])),
    ("performance events", call(libc::SYS_perf_event_open, [Arg::Buffer, O, int(-1), int(-1), O, O])),
    ("kernel keys", call(libc::SYS_keyctl, [O, O, O, O, O, O])),
    ("a kernel module", call(libc::SYS_init_module, [Arg::Buffer, int(1), Arg::Text(c""), O, O, O])),
    ("its process settings", call(libc::SYS_prctl, [int(libc::PR_SET_DUMPABLE as i64), int(1), O, O, O, O])),
    (
        "raising its limits",
        call(libc::SYS_prlimit64, [O, int(libc::RLIMIT_NOFILE as i64), Arg::Buffer, O, O, O]),
    ),
    ("stealing terminal input", call(libc::SYS_ioctl, [O, int(libc::TIOCSTI as i64), Arg::Buffer, O, O, O])),
    ("copying a descriptor", call(libc::SYS_fcntl, [Arg::Socket, int(libc::F_DUPFD as i64), O, O, O, O])),
    ("shared memory", call(libc::SYS_shmget, [O, int(4096), int(0o1600), O, O, O])),
    ("the system clock", call(libc::SYS_clock_settime, [O, O, O, O, O, O])),
    ("the kernel's file handles", call(libc::SYS_open_by_handle_at, [CWD, Arg::Buffer, O, O, O, O])),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_denied_inside() {
        let verdicts = drill();
        assert!(verdicts.len() >= 40);
        let leaks: Vec<_> = verdicts.iter().filter(|v| !v.denied).collect();
        assert!(leaks.is_empty(), "not denied: {leaks:#?}");
    }

    #[test]
    fn the_observer_is_shut_in_as_well_and_writes_nowhere() {
        let plan = Plan { role: Role::Observer { events: 900 }, descriptors: 64, uid: 65_534 };
        let mut leaks = run(|| enter(&plan).is_ok(), |_| true);
        leaks.retain(|v| !v.denied);
        assert!(leaks.is_empty(), "not denied: {leaks:#?}");
        // What its packet socket would take.
        for (name, number) in
            [("write", libc::SYS_write), ("writev", libc::SYS_writev), ("sendto", libc::SYS_sendto)]
        {
            let attempt = call(number, [Arg::Socket, Arg::Buffer, int(1), O, O, O]);
            let end = attempt_in_child(|| enter(&plan).is_ok(), &attempt);
            assert!(matches!(end, Ok(End::Failed(libc::EPERM))), "{name}: {end:?}");
        }
    }

    #[test]
    fn the_drill_tells_an_open_process_from_a_closed_one() {
        let harmless = [
            "a TCP socket",
            "reading /etc/passwd",
            "running a program",
            "executable memory",
            "a socket pair",
        ];
        let open = run(|| true, |what| harmless.contains(&what));
        assert_eq!(open.len(), harmless.len());
        assert!(open.iter().all(|v| !v.denied), "counted as denied: {open:#?}");
    }
}
