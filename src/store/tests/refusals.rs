//! Files that are not a store of ours, or not one that can be used.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// Both ways of opening refuse; the file stays what it was and nothing appears beside it.
fn refuse(home: &Home) -> StoreError {
    let bytes = fs::read(home.db()).unwrap();
    let files = home.files();
    let read = Store::open_read(&home.db()).unwrap_err();
    let write = Store::open_write(&home.db()).unwrap_err();
    assert_eq!(read.to_string(), write.to_string());
    assert!(read.to_string().starts_with(home.db().to_str().unwrap()), "{read}");
    assert!(fs::read(home.db()).unwrap() == bytes, "the file changed");
    assert_eq!(home.files(), files);
    write
}

#[test]
fn a_newer_store_is_left_alone() {
    let home = Home::new();
    drop(home.store());
    home.raw().pragma_update(None, "user_version", schema::KNOWN + 6).unwrap();
    let error = refuse(&home);
    assert!(matches!(error, StoreError::Newer { found: 7, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("schema 7") && error.to_string().contains("up to 1"), "{error}");
}

#[test]
fn a_newer_store_with_a_log_is_left_alone() {
    let home = Home::new();
    drop(home.store());
    let newer = home.raw();
    newer.pragma_update(None, "user_version", 7).unwrap();
    let error = refuse(&home);
    assert!(matches!(error, StoreError::Newer { found: 7, .. }), "{error}");
}

#[test]
fn other_databases_are_left_alone() {
    let home = Home::new();
    home.raw().execute_batch(DECNET).unwrap();
    let error = refuse(&home);
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("decnet import"), "{error}");

    let home = Home::new();
    home.raw().execute_batch("CREATE TABLE fleet_deckies (name TEXT)").unwrap();
    assert!(matches!(refuse(&home), StoreError::Foreign { .. }));

    let home = Home::new();
    home.raw().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(refuse(&home), StoreError::NotOurs { .. }));
}

#[test]
fn damage_is_told_from_garbage() {
    let home = Home::new();
    fs::write(home.db(), "[general]\nnet = 10.0.0.0/24\n".repeat(400)).unwrap();
    assert!(matches!(refuse(&home), StoreError::NotADatabase { .. }));
    fs::write(home.db(), "").unwrap();
    assert!(matches!(refuse(&home), StoreError::Corrupt { .. }));
    fs::remove_file(home.db()).unwrap();
    fs::create_dir(home.db()).unwrap();
    assert!(matches!(Store::open_write(&home.db()), Err(StoreError::NotADatabase { .. })));
}

#[test]
fn every_truncation_is_noticed() {
    let home = Home::new();
    let mut store = home.store();
    let names: Vec<_> = (0..40).map(|n| (format!("d{n:02}"), format!("127.77.0.{n}"))).collect();
    let wanted: Vec<_> = names.iter().map(|(n, ip)| (n.as_str(), ip.as_str())).collect();
    commit(&mut store, &deploy(&wanted), at(0)).unwrap();
    drop(store);
    let whole = fs::read(home.db()).unwrap();
    assert!(whole.len() > 40_000);
    for cut in (0..whole.len()).step_by(1999) {
        fs::write(home.db(), &whole[..cut]).unwrap();
        let result = Store::open_read(&home.db()).and_then(|store| {
            let mut store = store.unwrap();
            let problems = store.check()?;
            assert_ne!(problems, [], "cut at {cut}");
            Ok(())
        });
        if let Err(error) = result {
            assert!(
                matches!(error, StoreError::Corrupt { .. } | StoreError::NotADatabase { .. }),
                "cut at {cut}: {error}"
            );
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let home = Home::new();
    commit(&mut home.store(), &deploy(&[("a", "127.77.0.1"), ("b", "127.77.0.2")]), at(0)).unwrap();
    let whole = fs::read(home.db()).unwrap();
    for at in (0..whole.len()).step_by(331) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(home.db(), &damaged).unwrap();
        if let Ok(Some(mut store)) = Store::open_read(&home.db()) {
            let _ = store.fleet();
            let _ = store.check();
            let _ = store.recent_lifecycle(10);
        }
    }
}

#[test]
fn a_damaged_network_is_an_error_not_a_guess() {
    let home = Home::new();
    let mut store = home.store();
    home.raw().execute("UPDATE fleet_meta SET network = '{\"driver\":\"quantum\"}'", []).unwrap();
    let error = store.fleet().unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { detail, .. } if detail.contains("quantum")), "{error}");
}

#[test]
fn reading_makes_no_file_and_works_without_side_files() {
    let home = Home::new();
    assert!(Store::open_read(&home.db()).unwrap().is_none());
    assert!(Store::open_read(&home.db().join("under/a/file")).unwrap().is_none());
    assert_eq!(home.files(), Vec::<String>::new());
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    drop(store);
    assert_eq!(home.files(), ["fleet.db"]);
    let bytes = fs::read(home.db()).unwrap();
    let mut reader = home.reader();
    assert_eq!(reader.fleet().unwrap().members.len(), 1);
    assert_eq!(reader.check().unwrap(), []);
    assert_eq!(home.files(), ["fleet.db"]);
    assert!(fs::read(home.db()).unwrap() == bytes);
    // The same reader sees what is committed later, before and after it reaches the main file.
    let mut store = home.store();
    commit(&mut store, &deploy(&[("b", "127.77.0.2")]), at(1)).unwrap();
    assert_eq!(reader.fleet().unwrap().members.len(), 2);
    commit(&mut store, &deploy(&[("c", "127.77.0.3")]), at(2)).unwrap();
    drop(store);
    assert_eq!(reader.fleet().unwrap().members.len(), 3);
    let refused = reader.record(&gone("a"), at(3)).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused}");
}

#[test]
fn a_deleted_file_whose_log_is_left_is_no_empty_fleet() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    fs::remove_file(home.db()).unwrap();
    for error in [Store::open_read(&home.db()).unwrap_err(), Store::open_write(&home.db()).unwrap_err()] {
        assert!(
            matches!(&error, StoreError::Corrupt { detail, .. } if detail.contains("log is there")),
            "{error}"
        );
    }
    fs::write(place::beside(&home.db(), "-wal"), "").unwrap();
    assert!(Store::open_read(&home.db()).unwrap().is_none());
    assert_eq!(home.store().fleet().unwrap().members, []);
}

#[test]
fn a_symbolic_link_is_followed_to_where_the_log_is() {
    let home = Home::new();
    let other = Home::new();
    let mut store = other.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    std::os::unix::fs::symlink(other.db(), home.db()).unwrap();
    assert_eq!(home.reader().fleet().unwrap().members.len(), 1);
    commit(&mut home.store(), &deploy(&[("b", "127.77.0.2")]), at(1)).unwrap();
    assert_eq!(store.fleet().unwrap().members.len(), 2);
    assert_eq!(home.files(), ["fleet.db"]);
}

#[test]
fn modes_are_private() {
    let home = Home::new();
    let path = home.dir.path().join("var/lib/decnet/fleet.db");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let store = Store::open_write(&path).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    for side in ["-wal", "-shm"] {
        assert_eq!(mode(&place::beside(&path, side)), 0o600, "{side}");
    }
    assert_eq!(store.path(), path);
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open_write(&path).unwrap());
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_first_run_that_was_killed_leaves_nothing_in_the_way() {
    let home = Home::new();
    for left_behind in ["fleet.db.new", "fleet.db.new-wal", "fleet.db.new-shm"] {
        fs::write(home.dir.path().join(left_behind), "half a page").unwrap();
    }
    drop(home.store());
    assert_eq!(home.files(), ["fleet.db"]);
}

#[test]
fn the_settings_are_the_durable_ones() {
    let home = Home::new();
    let store = home.store();
    let Inner::Write(Locked { conn, .. }) = &store.inner else { unreachable!() };
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(
        ["synchronous", "foreign_keys", "trusted_schema", "busy_timeout", "application_id", "user_version"]
            .map(number),
        [2, 1, 0, 30_000, schema::APPLICATION_ID, 1]
    );
}

#[test]
fn a_failing_statement_is_sorted_by_its_cause() {
    use rusqlite::ffi;
    let sort = |code: i32| {
        StoreError::sql(
            Path::new("/nowhere/fleet.db"),
            rusqlite::Error::SqliteFailure(ffi::Error::new(code), None),
        )
    };
    assert!(matches!(sort(ffi::SQLITE_FULL), StoreError::Full { .. }));
    assert!(matches!(sort(ffi::SQLITE_IOERR_SHMSIZE), StoreError::Full { .. }));
    assert!(matches!(sort(ffi::SQLITE_BUSY_SNAPSHOT), StoreError::Busy { .. }));
    assert!(matches!(sort(ffi::SQLITE_READONLY_DIRECTORY), StoreError::ReadOnly { .. }));
    assert!(matches!(sort(ffi::SQLITE_CORRUPT_INDEX), StoreError::Corrupt { .. }));
    assert!(matches!(sort(ffi::SQLITE_NOTADB), StoreError::NotADatabase { .. }));
    assert!(matches!(sort(ffi::SQLITE_PERM), StoreError::Denied { .. }));
    assert!(matches!(sort(ffi::SQLITE_CONSTRAINT_UNIQUE), StoreError::Sql { .. }));
    assert!(matches!(sort(ffi::SQLITE_IOERR_FSYNC), StoreError::Sql { .. }));
}

#[test]
fn migrations_run_once_each_and_keep_a_copy() {
    let home = Home::new();
    commit(&mut home.store(), &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    let second: schema::Migration = |tx| tx.execute_batch("CREATE TABLE second (x)");
    let broken: schema::Migration = |tx| tx.execute_batch("CREATE TABLE third (x); CREATE TABLE second (x)");
    let [first] = schema::MIGRATIONS else { panic!("update this test") };

    // The third fails: it leaves no trace, the second stays.
    let error = writer::open(&home.db(), &[*first, second, broken]).unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    let tables = |conn: &Connection| -> i64 {
        let query = "SELECT count(*) FROM sqlite_schema WHERE name IN ('second', 'third')";
        conn.query_row(query, [], |row| row.get(0)).unwrap()
    };
    let version =
        |conn: &Connection| -> i64 { conn.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap() };
    assert_eq!((version(&home.raw()), tables(&home.raw())), (2, 1));
    assert_eq!(home.files(), ["fleet.db", "fleet.db.v1"]);

    // The copy is the old store, whole.
    let mut copy = Store::open_write(&home.dir.path().join("fleet.db.v1")).unwrap();
    assert_eq!(copy.fleet().unwrap().members.len(), 1);
    drop(copy);
    // The program that knows one version refuses the new one; the one that knows both migrates no more.
    assert!(matches!(Store::open_write(&home.db()), Err(StoreError::Newer { found: 2, known: 1, .. })));
    drop(writer::open(&home.db(), &[*first, second]).unwrap());
    assert_eq!(home.files(), ["fleet.db", "fleet.db.v1"]);
}
