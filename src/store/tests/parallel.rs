use std::collections::BTreeSet;

use super::*;

/// The first free address, as an allocator would take it.
fn allocate(fleet: &Fleet) -> std::net::Ipv4Addr {
    let taken: BTreeSet<_> = fleet.members.iter().filter_map(|m| m.ip).collect();
    (1..=254).map(|n| std::net::Ipv4Addr::new(127, 77, 0, n)).find(|ip| !taken.contains(ip)).unwrap()
}

#[test]
fn sixteen_writers_share_no_address_and_lose_no_row() {
    const EACH: usize = 4;
    let home = Home::new();
    let path = home.db();
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let path = &path;
            scope.spawn(move || {
                for round in 0..EACH {
                    // A first run of all at once too: each opens, and may have to make, the store.
                    let mut store = Store::open_write(path).unwrap();
                    let name = format!("d-{writer}-{round}");
                    let ids = store
                        .transact(|txn| {
                            let ip = allocate(&txn.fleet()?).to_string();
                            txn.commit_intent(&deploy(&[(&name, &ip)]), at(0))
                        })
                        .unwrap_or_else(|e: StoreError| panic!("{e}"));
                    assert_eq!(ids.len(), 1);
                    let mut reader = Store::open_read(path).unwrap().unwrap();
                    assert!(reader.fleet().unwrap().get(&name).is_some());
                }
            });
        }
    });
    let mut store = home.store();
    let fleet = store.fleet().unwrap();
    let addresses: BTreeSet<_> = fleet.members.iter().map(|m| m.ip).collect();
    assert_eq!(
        (fleet.members.len(), addresses.len(), fleet.store.serial),
        (16 * EACH, 16 * EACH, 16 * EACH as u64)
    );
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn readers_see_whole_intents_while_a_writer_works() {
    let home = Home::new();
    drop(home.store());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..30u8 {
                // Opened anew each time, so that the file is closed, checkpointed and opened under the readers.
                let mut store = home.store();
                let (a, b) = (format!("a{round}"), format!("b{round}"));
                let (ip_a, ip_b) = (format!("127.77.1.{round}"), format!("127.77.2.{round}"));
                commit(&mut store, &deploy(&[(&a, &ip_a), (&b, &ip_b)]), at(0)).unwrap();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while last < 30 {
                    let fleet = home.reader().fleet().unwrap();
                    assert_eq!(fleet.members.len() as u64, fleet.store.serial * 2);
                    assert!(fleet.store.serial >= last);
                    last = fleet.store.serial;
                }
            });
        }
    });
}

#[test]
fn ten_thousand_rows_are_written_and_read_in_one_go() {
    let home = Home::new();
    let mut store = home.store();
    let names: Vec<_> = (0..10_000u32)
        .map(|n| (format!("d{n:05}"), std::net::Ipv4Addr::from(0x7f4d_0000 + n).to_string()))
        .collect();
    let wanted: Vec<_> = names.iter().map(|(name, ip)| (name.as_str(), ip.as_str())).collect();
    let ids = commit(&mut store, &deploy(&wanted), at(0)).unwrap();
    assert_eq!(ids.len(), 10_000);
    let fleet = store.fleet().unwrap();
    assert_eq!(fleet.members.len(), 10_000);
    assert!(fleet.members.iter().all(|m| m.decky.is_ok() && m.identity.is_some()));
    assert!(fleet.members.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn a_held_lock_ends_in_busy_not_in_a_hang() {
    let home = Home::new();
    let mut holder = home.store();
    let mut waiter = home.store();
    let Inner::Write(Locked { conn, .. }) = &waiter.inner else { unreachable!() };
    conn.busy_timeout(Duration::from_millis(20)).unwrap();
    let held: Result<(), StoreError> = holder.transact(|_| {
        let error = waiter.record(&gone("a"), at(0)).unwrap_err();
        assert!(matches!(error, StoreError::Busy { .. }), "{error}");
        // Readers do not wait.
        assert_eq!(waiter.fleet().unwrap().members, []);
        Ok(())
    });
    held.unwrap();
    assert!(waiter.record(&gone("a"), at(0)).unwrap());
}
