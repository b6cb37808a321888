//! Thin typed wrappers around what `rustix` has no safe form for. The only file with `unsafe`.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Takes a descriptor that the parent process left open for us, and marks it close-on-exec.
///
/// Each number can be taken once; the callers see to that (a worker's numbers are checked to be
/// distinct before the first is taken). 0, 1 and 2 are refused.
///
/// # Errors
/// The number is no open descriptor.
pub(crate) fn inherit(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("descriptor {number} cannot be inherited"),
        ));
    }
    // SAFETY: F_GETFD takes no pointer; any number is allowed.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and nothing in this process owns it: it came from the parent,
    // and callers take each number once.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(fd.as_fd(), FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// Closes every descriptor above 2 that is not in `keep`: whatever leaked into this process.
///
/// Only for the first moments of a process, before anything of ours owns a descriptor.
pub(crate) fn close_others(keep: &[RawFd]) {
    let mut sorted: Vec<u32> =
        keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).filter(|fd| *fd > 2).collect();
    sorted.sort_unstable();
    let mut from = 3u32;
    for fd in sorted {
        if fd > from {
            close_range(from, fd - 1);
        }
        from = fd + 1;
    }
    close_range(from, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: no pointers. Descriptors in the range belong to nobody yet, as the caller promises.
    // A kernel without the call (before 5.9) leaves them open, which close-on-exec made harmless.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) };
}

/// What SIGTERM does to a child of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terminate {
    /// Ends it at once.
    Ends,
    /// Nothing: it ends in its own time.
    Ignored,
}

/// Ignores SIGPIPE (a peer that left is an error code), and SIGINT and SIGHUP (they are meant for
/// whoever sits at the terminal; a child of the engine stops when its control socket ends).
pub(crate) fn ignore_signals(terminate: Terminate) {
    for signal in [libc::SIGPIPE, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: SIG_IGN is a valid disposition; no handler of ours is replaced.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let disposition = match terminate {
        Terminate::Ends => libc::SIG_DFL,
        Terminate::Ignored => libc::SIG_IGN,
    };
    // SAFETY: as above. Set either way: a parent's disposition was inherited.
    unsafe { libc::signal(libc::SIGTERM, disposition) };
}

/// Tries to execute a program that does not exist; the error tells whether `execve` is denied.
pub(crate) fn try_exec() -> io::Error {
    let path = c"/nonexistent";
    let argv = [path.as_ptr(), std::ptr::null()];
    // SAFETY: both arrays end with a null pointer and outlive the call; the file cannot exist below
    // a name that is no directory, so the call returns.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), argv[1..].as_ptr()) };
    io::Error::last_os_error()
}

/// One system call of the escape drill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// Number of the call.
    pub(crate) call: libc::c_long,
    /// Its arguments.
    pub(crate) args: [Arg; 6],
}

/// An argument of an [`Attempt`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg {
    /// A number, or a null pointer.
    Int(i64),
    /// A text with a zero byte behind it.
    Text(&'static CStr),
    /// A pointer to an Internet address, 127.0.0.1 port 9.
    Address,
    /// A pointer to 256 writable zero bytes.
    Buffer,
    /// The number of a fresh descriptor: one end of a socket pair made before the sandbox closed.
    Socket,
    /// The parent's process id.
    Parent,
}

/// How an [`Attempt`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The child could not enter the sandbox.
    NoSandbox,
    /// The call returned without an error.
    Worked,
    /// The call failed with this errno.
    Failed(i32),
    /// The child was killed by this signal.
    Killed(i32),
}

/// Runs `enter` and then one system call in a forked child, and says how it ended. Nothing of Rust
/// runs in the child after the call, so whatever the call does to the child cannot matter here.
///
/// # Errors
/// The fork or the wait failed.
pub(crate) fn attempt_in_child(enter: impl FnOnce() -> bool, attempt: &Attempt) -> io::Result<End> {
    const NO_SANDBOX: i32 = 255;
    const LONGEST: u32 = 10;
    // SAFETY: getpid has no arguments.
    let parent = i64::from(unsafe { libc::getpid() });
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 9u16.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    let mut buffer = [0u8; 256];
    // SAFETY: the child calls `enter` (which allocates: the C library makes malloc usable after
    // fork), one system call, and `_exit`; it never returns into the caller's code.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    if child == 0 {
        let mut pair = [-1i32; 2];
        // SAFETY: `pair` has room for both numbers; alarm and _exit take numbers only.
        unsafe {
            libc::alarm(LONGEST);
            libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr());
            if !enter() {
                libc::_exit(NO_SANDBOX);
            }
        }
        let raw = attempt.args.map(|arg| match arg {
            Arg::Int(n) => n,
            Arg::Text(text) => text.as_ptr() as i64,
            Arg::Address => (&raw const address) as i64,
            Arg::Buffer => buffer.as_mut_ptr() as i64,
            Arg::Socket => i64::from(pair[0]),
            Arg::Parent => parent,
        });
        // SAFETY: the pointers among the arguments are valid in this child; anything the call
        // breaks is gone with `_exit`, which follows at once.
        unsafe {
            let result = libc::syscall(attempt.call, raw[0], raw[1], raw[2], raw[3], raw[4], raw[5]);
            libc::_exit(if result == -1 { *libc::__errno_location() } else { 0 });
        }
    }
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid place for the result; `child` is ours and not yet waited for.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } == child {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(if libc::WIFSIGNALED(status) {
        End::Killed(libc::WTERMSIG(status))
    } else {
        match libc::WEXITSTATUS(status) {
            NO_SANDBOX => End::NoSandbox,
            0 => End::Worked,
            errno => End::Failed(errno),
        }
    })
}

/// First descriptor that [`spawn_with_fds`] hands on.
pub(crate) const FIRST_FD: RawFd = 3;

/// Spawns `command` with `fds` as its descriptors 3, 4, 5, … in order; every other descriptor must be
/// close-on-exec. The kernel kills the child when the thread that called this ends.
///
/// # Errors
/// When descriptors run out, or the system cannot fork or execute.
pub(crate) fn spawn_with_fds(command: &mut Command, fds: &[BorrowedFd<'_>]) -> io::Result<Child> {
    let count = RawFd::try_from(fds.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let end = FIRST_FD.saturating_add(count);
    // Copies above the target range: no copy is overwritten before it is placed.
    let sources = fds.iter().map(|fd| fcntl_dupfd_cloexec(fd, end)).collect::<Result<Vec<OwnedFd>, _>>()?;
    // The pipe by which `Command` learns that exec failed must not lie in the target range either:
    // occupy what is free there until the child runs.
    let mut fillers = Vec::new();
    if let Some(first) = sources.first() {
        loop {
            let filler = fcntl_dupfd_cloexec(first, FIRST_FD)?;
            if filler.as_raw_fd() >= end {
                break;
            }
            fillers.push(filler);
        }
    }
    let raw: Vec<RawFd> = sources.iter().map(AsRawFd::as_raw_fd).collect();
    let parent: Pid = getpid();
    let place = move || -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(parent) {
            // The parent died before the line above took hold.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        place(&raw)
    };
    // SAFETY: between fork and exec `place` makes system calls only; it allocates nothing, takes no
    // lock and touches no memory but its own captures.
    unsafe { command.pre_exec(place) };
    let child = command.spawn();
    drop((sources, fillers));
    child
}

/// Puts copies of `sources` on the numbers from [`FIRST_FD`] on, whatever was there, and leaves them open
/// across exec. The sources lie above that range. Makes system calls only.
fn place(sources: &[RawFd]) -> io::Result<()> {
    for (target, source) in (FIRST_FD..).zip(sources) {
        // SAFETY: `source` is open: the callers hold it until this returned.
        let source = unsafe { BorrowedFd::borrow_raw(*source) };
        // SAFETY: as the callers see to, nothing owns the number: this is a child between fork and
        // exec, or one that has let go of everything else. It is forgotten, so it stays open.
        let mut placed = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(target) });
        rustix::io::dup2(source, &mut placed)?;
        fcntl_setfd(&*placed, FdFlags::empty())?;
    }
    Ok(())
}

/// Makes `fds` the descriptors 3, 4, 5, … of this process, in order.
///
/// Only for the first moments of a forked process, when it owns no other descriptor above 2.
///
/// # Errors
/// When descriptors run out.
pub(crate) fn renumber(fds: Vec<OwnedFd>) -> io::Result<()> {
    let count = RawFd::try_from(fds.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let end = FIRST_FD.saturating_add(count);
    let sources = fds.iter().map(|fd| fcntl_dupfd_cloexec(fd, end)).collect::<Result<Vec<OwnedFd>, _>>()?;
    // Before the numbers are given anew: these would close them.
    drop(fds);
    place(&sources.iter().map(AsRawFd::as_raw_fd).collect::<Vec<RawFd>>())
}

/// Which side of [`fork_sibling`] this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The one that forked, and what it made.
    Parent(Pid),
}

/// Forks this process; the child becomes a child of *our parent*, which waits for it. Its death signal
/// is that of the parent's thread which started us, once the child has set one.
///
/// Only for a process with one thread, from a place where nothing holds a lock: the child has what
/// the caller had, and goes on from here.
///
/// # Errors
/// Too many processes, or no memory.
pub(crate) fn fork_sibling() -> io::Result<Forked> {
    let flags = libc::c_long::from(libc::CLONE_PARENT | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with no new stack this is fork(2): the child runs on a copy of the
    // caller's memory. There is one thread, so no lock is held by a thread that the child lacks,
    // neither in the allocator nor elsewhere; no atfork handler of ours exists. The C library's note of
    // the thread id stays that of the parent; it is used for owner-checked mutexes alone, which compare
    // it with itself, while `abort` asks the kernel. No pointer is passed.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, 0usize) };
    match i32::try_from(pid) {
        Ok(0) => Ok(Forked::Child),
        Ok(pid) => {
            Pid::from_raw(pid).filter(|_| pid > 0).map(Forked::Parent).ok_or_else(io::Error::last_os_error)
        }
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Gives memory that the allocator holds and does not use back to the kernel.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number, and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Watches a descriptor for `interest` on the runtime of this thread.
///
/// # Errors
/// When the kernel cannot watch it, or descriptors run out.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays the same descriptor for as long as it lives.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Puts the calling thread, and no other, into a new network namespace.
///
/// # Errors
/// No CAP_SYS_ADMIN, too many namespaces, or no memory.
pub(crate) fn unshare_network() -> io::Result<()> {
    // SAFETY: only flags that unshare the descriptor table can invalidate what other code holds; this
    // one concerns nothing but which network new sockets belong to.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }?)
}

/// The Landlock version of the kernel; none without Landlock (`landlock_create_ruleset(2)`).
pub(crate) fn landlock_abi() -> Option<i32> {
    const VERSION: u32 = 1;
    // SAFETY: with a null pointer, size 0 and this flag the kernel only returns a number.
    let abi =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, VERSION) };
    i32::try_from(abi).ok().filter(|abi| *abi > 0)
}

/// What a packet socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketLink {
    /// Hardware type of the interface (`ARPHRD_*`).
    pub(crate) hardware: u16,
    /// Its hardware address; all zero where it has none of six bytes.
    pub(crate) address: [u8; 6],
}

/// Binds a packet socket (`packet(7)`) to one interface and one protocol, in host byte order. A socket
/// made with protocol 0 receives nothing before.
///
/// # Errors
/// ENODEV: there is no such interface. ENETDOWN: it is down.
pub(crate) fn bind_packet(fd: BorrowedFd<'_>, interface: u32, protocol: u16) -> io::Result<PacketLink> {
    let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    let mut address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: `address` is a whole sockaddr_ll and `size` its size.
    if unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut length = size;
    // SAFETY: the kernel writes at most `length` bytes, the size of `address`.
    if unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut address).cast(), &raw mut length) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut link = PacketLink { hardware: address.sll_hatype, address: [0; 6] };
    if address.sll_halen == 6 {
        link.address.copy_from_slice(&address.sll_addr[..6]);
    }
    Ok(link)
}

/// Marks every packet of a socket, and of the connections that come in by it (`SO_MARK`). The mark is seen by this
/// host alone.
///
/// # Errors
/// No CAP_NET_ADMIN.
pub(crate) fn mark(fd: BorrowedFd<'_>, mark: u32) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<u32>()).map_err(io::Error::other)?;
    let (level, option) = (libc::SOL_SOCKET, libc::SO_MARK);
    // SAFETY: the value is a u32 and `size` its size.
    if unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const mark).cast(), size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// One instruction of classic BPF: an operation, how far to jump, and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) yes: u8,
    pub(crate) no: u8,
    pub(crate) k: u32,
}

/// Has the kernel pass on only what this program lets through (`SO_ATTACH_FILTER`).
///
/// # Errors
/// EINVAL: the kernel's checker does not take the program.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).map_err(io::Error::other)?;
    let mut filter: Vec<libc::sock_filter> =
        program.iter().map(|i| libc::sock_filter { code: i.code, jt: i.yes, jf: i.no, k: i.k }).collect();
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    let (level, option) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    // SAFETY: `program` points to `len` instructions that live until the call returns; the kernel copies them.
    if unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const program).cast(), size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Has the interface take frames for `mac` too, for as long as the packet socket lives
/// (`PACKET_MR_UNICAST`).
///
/// # Errors
/// The interface can have no further address.
pub(crate) fn accept_unicast(fd: BorrowedFd<'_>, interface: u32, mac: [u8; 6]) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<libc::packet_mreq>()).map_err(io::Error::other)?;
    let mut request = libc::packet_mreq {
        mr_ifindex: i32::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?,
        mr_type: libc::PACKET_MR_UNICAST as libc::c_ushort,
        mr_alen: 6,
        mr_address: [0; 8],
    };
    request.mr_address[..6].copy_from_slice(&mac);
    let (level, option) = (libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP);
    // SAFETY: `request` is a whole packet_mreq and `size` its size.
    if unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const request).cast(), size) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn inherits_only_open_descriptors() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let copy = fcntl_dupfd_cloexec(&ours, 500).unwrap();
        let number = copy.as_raw_fd();
        std::mem::forget(copy);
        assert_eq!(inherit(number).unwrap().as_raw_fd(), number);
        assert_eq!(inherit(number).unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert_eq!(inherit(1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_child_reports_how_its_call_ended() {
        let close = Attempt { call: libc::SYS_close, args: [Arg::Int(-1); 6] };
        assert_eq!(attempt_in_child(|| true, &close).unwrap(), End::Failed(libc::EBADF));
        assert_eq!(attempt_in_child(|| false, &close).unwrap(), End::NoSandbox);
        let pid = Attempt { call: libc::SYS_getpid, args: [Arg::Int(0); 6] };
        assert_eq!(attempt_in_child(|| true, &pid).unwrap(), End::Worked);
    }

    #[test]
    fn child_sees_descriptors_in_order_and_no_others() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (keep, second) = UnixStream::pair().unwrap();
        let mut command = Command::new("/bin/sh");
        // 3 is `second`, 4 is `theirs`; 5 must be closed.
        command.args(["-c", "read word <&3; echo got $word >&4; echo x 2>/dev/null >&5 || echo closed >&4"]);
        let mut child = spawn_with_fds(&mut command, &[second.as_fd(), theirs.as_fd()]).unwrap();
        drop((theirs, second, command));
        (&keep).write_all(b"hello\n").unwrap();
        let mut text = String::new();
        ours.read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        assert_eq!(text, "got hello\nclosed\n");
    }

    #[test]
    fn failed_exec_is_reported() {
        let (one, _two) = UnixStream::pair().unwrap();
        let error = spawn_with_fds(&mut Command::new("/nonexistent/program"), &[one.as_fd()]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
