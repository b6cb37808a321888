//! What system calls a process may make once it is shut in.
//!
//! 1. The *allow list*: everything else fails with `EPERM`. A C library that tries something odd on
//!    an innocent path (a locale file, a processor count, a thread) gets an error it copes with, and
//!    the decoys stay up. The self-test relies on it too.
//! 2. The *trap list*: calls that no innocent path makes, and every exploit likes (`ptrace`, `bpf`,
//!    `io_uring`, namespaces, mounts, modules, keys …), kill the process. The supervisor sees SIGSYS.
//!
//! A call of another architecture kills too.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seccompiler::{
    BackendError, BpfProgram, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompRule,
};

use super::filter::merge;
use super::{Role, SandboxError};

pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Stands for the process's own number; no process has it.
const SELF: i32 = 0x7fff_fff1;
/// The program of a worker without datagram sockets, for those that are forked from here.
static PLAIN_WORKER: OnceLock<BpfProgram> = OnceLock::new();

/// Works out what all workers have in common. Never fails: what was not worked out here is in [`apply`].
pub(super) fn prepare() {
    if let Ok(program) = compile(&Role::Worker { datagrams: &[] }) {
        // Another call did the same.
        let _ = PLAIN_WORKER.set(program);
    }
}

/// Installs the filter and says how many there are.
pub(super) fn apply(role: &Role<'_>) -> Result<u32, SandboxError> {
    let failed = |error: &dyn std::fmt::Display| SandboxError::Seccomp(error.to_string());
    let mut program = match (role, PLAIN_WORKER.get()) {
        (Role::Worker { datagrams: [] }, Some(program)) => program.clone(),
        _ => compile(role).map_err(|e| failed(&e))?,
    };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    for step in program.iter_mut().filter(|step| step.k == SELF as u32) {
        step.k = own as u32;
    }
    seccompiler::apply_filter(&program).map_err(|e| failed(&e))?;
    Ok(1)
}

fn compile(role: &Role<'_>) -> Result<BpfProgram, BackendError> {
    let mut rules = common()?;
    match role {
        Role::Writer { .. } => rules.extend(writing()?),
        Role::Observer { events } => observing(&mut rules, *events)?,
        Role::Worker { datagrams } => {
            // A datagram socket has no peer: its answers say where to. No other may name an address, and
            // none can be made. On a LAN the rules of the namespace see to the rest, on loopback the address
            // the socket is bound to: the kernel sends nothing from 127.0.0.0/8 to anywhere else.
            for fd in *datagrams {
                rules.entry(libc::SYS_sendto).or_default().push(all([equal(0, *fd, Len::Dword)?])?);
            }
        }
    }
    merge(&rules, TRAPS)
}

/// What tokio, russh and the allocator need once everything is set up.
const PLAIN: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_accept4,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_close,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_geteuid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

fn common() -> Result<Rules, BackendError> {
    let mut rules: Rules = PLAIN.iter().map(|call| (*call, vec![])).collect();
    let no_exec = || any([all([without(2, libc::PROT_EXEC)?])?]);
    rules.insert(libc::SYS_mmap, no_exec()?);
    rules.insert(libc::SYS_mprotect, no_exec()?);
    // Without an address: a datagram cannot be sent elsewhere, TCP Fast Open cannot dial. `sendmsg`,
    // whose address no filter can see, and which passes descriptors, is not needed and not there.
    let quiet = all([equal(4, 0, Len::Qword)?, without(3, libc::MSG_FASTOPEN)?])?;
    rules.insert(libc::SYS_sendto, vec![quiet]);
    let flags = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
    rules.insert(libc::SYS_fcntl, one_of(1, &flags)?);
    rules.insert(libc::SYS_ioctl, one_of(1, &[libc::FIONBIO as i32, libc::FIONREAD as i32])?);
    rules.insert(libc::SYS_getsockopt, one_of(1, &[libc::SOL_SOCKET, libc::IPPROTO_TCP])?);
    let mut options = Vec::new();
    for (level, name) in [
        (libc::IPPROTO_TCP, libc::TCP_NODELAY),
        (libc::SOL_SOCKET, libc::SO_LINGER),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    ] {
        options.push(all([equal(1, level, Len::Dword)?, equal(2, name, Len::Dword)?])?);
    }
    rules.insert(libc::SYS_setsockopt, options);
    // For `abort`; nobody else can be signalled.
    rules.insert(libc::SYS_tgkill, one_of(0, &[SELF])?);
    Ok(rules)
}

/// What the event writer needs beside that: files (Landlock says which), descriptors from the
/// supervisor, and plain TCP and UDP sockets for log messages.
fn writing() -> Result<Rules, BackendError> {
    let mut rules: Rules = [
        libc::SYS_recvmsg,
        libc::SYS_openat,
        libc::SYS_unlinkat,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_lseek,
        libc::SYS_ftruncate,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_pread64,
        libc::SYS_getdents64,
        libc::SYS_connect,
    ]
    .into_iter()
    .map(|call| (call, vec![]))
    .collect();
    let mut sockets = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocols) in
            [(libc::SOCK_STREAM, [0, libc::IPPROTO_TCP]), (libc::SOCK_DGRAM, [0, libc::IPPROTO_UDP])]
        {
            for protocol in protocols {
                sockets.push(all([
                    equal(0, family, Len::Dword)?,
                    SeccompCondition::new(1, Len::Dword, Op::MaskedEq(0xf), kind as u64)?,
                    equal(2, protocol, Len::Dword)?,
                ])?);
            }
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    Ok(rules)
}

/// A packet socket takes frames as well as it gives them: whatever writes is bound to the descriptors that
/// are there to be written to.
fn observing(rules: &mut Rules, events: i32) -> Result<(), BackendError> {
    for call in [libc::SYS_writev, libc::SYS_accept4, libc::SYS_epoll_ctl] {
        rules.remove(&call);
    }
    rules.insert(libc::SYS_write, one_of(0, &[libc::STDERR_FILENO])?);
    let event = all([equal(0, events, Len::Dword)?, equal(4, 0, Len::Qword)?])?;
    rules.insert(libc::SYS_sendto, vec![event]);
    Ok(())
}

fn equal(arg: u8, value: i32, len: Len) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(arg, len, Op::Eq, u64::from(value as u32))
}

fn without(arg: u8, bit: i32) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(arg, Len::Dword, Op::MaskedEq(u64::from(bit as u32)), 0)
}

fn all<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

fn any<const N: usize>(rules: [SeccompRule; N]) -> Result<Vec<SeccompRule>, BackendError> {
    Ok(rules.into())
}

fn one_of(arg: u8, values: &[i32]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| all([equal(arg, *value, Len::Dword)?])).collect()
}

/// Calls that kill.
const TRAPS: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_memfd_create,
    libc::SYS_personality,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setuid,
    libc::SYS_setresuid,
    libc::SYS_setgid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];
