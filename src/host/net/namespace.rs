//! Network namespaces without a name: held by descriptor, gone with the last holder.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::host::sys;

/// A network namespace. Sockets and children of links in it keep it as well.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// The one that the calling thread is in.
    ///
    /// # Errors
    /// No `/proc`, or no descriptors.
    pub fn current() -> io::Result<Self> {
        // Not `self`: that is the first thread of the process.
        Ok(Self(File::open("/proc/thread-self/ns/net")?.into()))
    }

    /// A new, empty one.
    ///
    /// # Errors
    /// No CAP_SYS_ADMIN, too many namespaces, or no memory.
    pub fn new() -> io::Result<Self> {
        apart(|| {
            sys::unshare_network()?;
            Self::current()
        })?
    }

    /// The one behind a descriptor that a program before this one left.
    pub(crate) fn inherited(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Runs `work` inside, on a thread of its own: the caller's stays where it is.
    ///
    /// # Errors
    /// No CAP_SYS_ADMIN, or no thread.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        apart(|| {
            self.join()?;
            Ok(work())
        })?
    }

    /// Takes the calling thread inside. Only for a thread of its own: see [`apart`].
    pub(crate) fn join(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Runs `work` on a new thread and waits for it.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("visit".into()).spawn_scoped(scope, work)?;
        thread.join().map_err(|_| io::Error::other("the thread inside the namespace failed"))
    })
}

/// Takes its thread into namespaces and back, again and again: cheaper than a thread for each visit.
/// Only for a thread of its own, never one of a runtime.
#[derive(Debug)]
pub struct Traveller {
    home: Namespace,
    /// It speaks of the thread it was made on.
    _thread: PhantomData<*const ()>,
}

impl Traveller {
    /// At home is where the calling thread is now.
    ///
    /// # Errors
    /// See [`Namespace::current`].
    pub fn new() -> io::Result<Self> {
        Ok(Self { home: Namespace::current()?, _thread: PhantomData })
    }

    /// Makes a namespace and runs `work` inside.
    ///
    /// # Errors
    /// See [`Namespace::new`].
    pub fn found<T>(&self, work: impl FnOnce(io::Result<Namespace>) -> T) -> io::Result<T> {
        sys::unshare_network()?;
        // The way home comes first: whatever happens next must not happen on the host by mistake.
        let back = Back(self);
        let done = work(Namespace::current());
        drop(back);
        Ok(done)
    }

    /// Runs `work` inside `namespace`.
    ///
    /// # Errors
    /// No CAP_SYS_ADMIN.
    pub fn visit<T>(&self, namespace: &Namespace, work: impl FnOnce() -> T) -> io::Result<T> {
        namespace.join()?;
        let back = Back(self);
        let done = work();
        drop(back);
        Ok(done)
    }
}

struct Back<'a>(&'a Traveller);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        // A thread that cannot return would keep a foreign namespace alive and make links in it.
        assert!(self.0.home.join().is_ok() || std::thread::panicking(), "cannot return from a namespace");
    }
}
