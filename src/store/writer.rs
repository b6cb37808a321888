//! Opening the store for writing, and making it: the file appears under its name only once it is complete.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, RenameFlags};
use rustix::io::Errno;

use super::live::Locked;
use super::place::{self, Stamp, beside, directory_of};
use super::reader::{self, Reader};
use super::{BUSY_TIMEOUT, StoreError, schema};

/// Pause between two tries of what SQLite itself does not wait for.
const RETRY: Duration = Duration::from_millis(5);

/// Opens the store at `path`, makes it when there is none, migrates it when it is older than this program.
pub(super) fn open(path: &Path, migrations: &[schema::Migration]) -> Result<Locked, StoreError> {
    let known = migrations.len() as i64;
    let path = &place::resolve(path);
    place::make_directory(path)?;
    place::refuse_network(path)?;
    if Stamp::of(path)?.is_none() {
        create(path, migrations)?;
    }
    // Looked at read-only first: a file that is refused stays byte for byte what it was.
    if let Some(mut reader) = Reader::new(path)? {
        schema::accept(path, reader.read(schema::inspect)?, known)?;
    }
    place::make_private(path)?;
    let stamp = Stamp::of(path)?.ok_or_else(|| StoreError::io(path, io::ErrorKind::NotFound.into()))?;
    Locked::open(stamp.file, || {
        let mut conn = connect(path, path)?;
        schema::migrate(&mut conn, path, migrations)?;
        Ok(conn)
    })
}

/// A connection to `file` that may write; WAL with FULL sync, so that what was acknowledged survives power loss.
/// Errors name `path`.
fn connect(file: &Path, path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let conn = Connection::open_with_flags(file, flags)?;
        configure(&conn)?;
        Ok(conn)
    };
    open().map_err(|e| StoreError::sql(path, e))
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    reader::harden(conn)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    let deadline = Instant::now() + BUSY_TIMEOUT;
    while let Err(error) = use_wal(conn) {
        // SQLite does not wait for the lock that a change of the journal mode takes.
        if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) || Instant::now() >= deadline {
            return Err(error);
        }
        std::thread::sleep(RETRY);
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    // Bytes; a log that one large transaction blew up shrinks again.
    conn.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))
}

fn use_wal(conn: &Connection) -> rusqlite::Result<()> {
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    }
    Ok(())
}

/// Makes a complete store beside `path` and moves it there, unless somebody else was faster.
fn create(path: &Path, migrations: &[schema::Migration]) -> Result<(), StoreError> {
    let directory = directory_of(path);
    let lock = File::open(directory).map_err(|e| StoreError::io(directory, e))?;
    lock_directory(&lock, path)?;
    if Stamp::of(path)?.is_some() {
        return Ok(());
    }
    place::refuse_orphaned_log(path)?;
    remove(path, &["-wal", "-shm", "-journal"])?;
    // Whoever held the lock before us and left this behind was killed: nobody has it open.
    let draft = beside(path, ".new");
    remove_draft(&draft)?;
    make_file(&draft, path)?;
    let built = build(&draft, path, migrations);
    if built.is_err() {
        // The first error is the one to report.
        let _ = remove_draft(&draft);
    }
    built?;
    sync_directory(directory)
}

fn build(draft: &Path, path: &Path, migrations: &[schema::Migration]) -> Result<(), StoreError> {
    let mut conn = connect(draft, path)?;
    schema::migrate(&mut conn, path, migrations)?;
    conn.close().map_err(|(_, e)| StoreError::sql(path, e))?;
    let moved = rustix::fs::renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE);
    match moved {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => remove_draft(draft),
        // Not every file system knows NOREPLACE; the directory's lock does for our own processes.
        Err(Errno::INVAL) => fs::rename(draft, path).map_err(|e| StoreError::io(path, e)),
        Err(e) => Err(StoreError::io(path, e.into())),
    }
}

fn remove_draft(draft: &Path) -> Result<(), StoreError> {
    remove(draft, &["", "-wal", "-shm", "-journal"])
}

fn remove(path: &Path, suffixes: &[&str]) -> Result<(), StoreError> {
    for suffix in suffixes {
        let file = beside(path, suffix);
        match fs::remove_file(&file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(StoreError::io(&file, e)),
            _ => {}
        }
    }
    Ok(())
}

/// The kernel drops the lock with the descriptor, so a killed process leaves none behind.
fn lock_directory(directory: &File, path: &Path) -> Result<(), StoreError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => std::thread::sleep(RETRY),
            Err(Errno::WOULDBLOCK) => return Err(StoreError::Busy { path: path.to_path_buf() }),
            Err(e) => return Err(StoreError::io(path, e.into())),
        }
    }
}

/// Makes an empty file of mode 0600 without ever holding a descriptor of it. Errors name `path`.
pub(super) fn make_file(file: &Path, path: &Path) -> Result<(), StoreError> {
    rustix::fs::mknodat(CWD, file, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0)
        .map_err(|e| StoreError::io(path, e.into()))?;
    // The umask may have taken more than group and others.
    rustix::fs::chmodat(CWD, file, Mode::RUSR | Mode::WUSR, rustix::fs::AtFlags::empty())
        .map_err(|e| StoreError::io(path, e.into()))
}

/// Makes the names in `directory` survive power loss.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory).and_then(|d| d.sync_all()).map_err(|e| StoreError::io(directory, e))
}
