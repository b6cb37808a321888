use super::*;

fn status(store: &mut Store, id: &LifecycleId) -> (LifecycleStatus, Option<String>) {
    let row = store.lifecycle(std::slice::from_ref(id)).unwrap().remove(0);
    assert_eq!(
        row.completed_at.is_some(),
        matches!(row.status, LifecycleStatus::Succeeded | LifecycleStatus::Failed)
    );
    (row.status, row.error)
}

#[test]
fn lifecycle_goes_from_pending_to_its_end() {
    let home = Home::new();
    let mut store = home.store();
    let ids = commit(&mut store, &deploy(&[("a", "127.77.0.1"), ("b", "127.77.0.2")]), at(0)).unwrap();
    let [a, b] = ids.as_slice() else { unreachable!() };
    assert_eq!((a.0.len(), a.0.as_bytes()[14]), (36, b'4'));
    assert_ne!(a, b);
    assert_eq!(status(&mut store, a), (LifecycleStatus::Pending, None));
    store.mark_running(&["a".to_owned(), "nobody".to_owned()], at(1)).unwrap();
    assert_eq!(status(&mut store, a), (LifecycleStatus::Running, None));
    assert_eq!(status(&mut store, b), (LifecycleStatus::Pending, None));
    assert!(store.record(&state("a", State::Running, None), at(2)).unwrap());
    assert_eq!(status(&mut store, a), (LifecycleStatus::Succeeded, None));
    let long = "é".repeat(3000);
    assert!(store.record(&state("b", State::Degraded, Some(&long)), at(3)).unwrap());
    assert_eq!(status(&mut store, b), (LifecycleStatus::Failed, Some("é".repeat(2000))));
    assert_eq!(member(&mut store, "b").unwrap().last_error, Some("é".repeat(2000)));
    // It recovers: the row says so, the operation stays failed.
    assert!(store.record(&state("b", State::Running, None), at(4)).unwrap());
    let b_row = member(&mut store, "b").unwrap();
    assert_eq!((b_row.state, b_row.last_error), (State::Running, None));
    assert_eq!(status(&mut store, b).0, LifecycleStatus::Failed);
    // Terminal rows do not go back.
    store.mark_running(&["a".to_owned()], at(5)).unwrap();
    assert_eq!(status(&mut store, a).0, LifecycleStatus::Succeeded);
}

#[test]
fn each_result_ends_the_operations_it_is_about() {
    for (operation, result, ends) in [
        (Operation::Deploy, state("a", State::Running, None), Some(LifecycleStatus::Succeeded)),
        (Operation::Mutate, state("a", State::Running, None), Some(LifecycleStatus::Succeeded)),
        (Operation::Mutate, state("a", State::Failed, None), Some(LifecycleStatus::Failed)),
        (Operation::Deploy, state("a", State::Pending, None), None),
        (Operation::Teardown, state("a", State::Running, None), None),
        (Operation::Teardown, state("a", State::TeardownFailed, Some("busy")), Some(LifecycleStatus::Failed)),
        (Operation::Teardown, gone("a"), Some(LifecycleStatus::Succeeded)),
        (Operation::Teardown, state("a", State::TornDown, None), Some(LifecycleStatus::Succeeded)),
        (Operation::Deploy, gone("a"), None),
    ] {
        let home = Home::new();
        let mut store = home.store();
        let mut intent = deploy(&[("a", "127.77.0.1")]);
        if operation == Operation::Teardown {
            commit(&mut store, &intent, at(0)).unwrap();
            intent = teardown(&["a"]);
        }
        intent.lifecycle[0].1 = operation;
        let ids = commit(&mut store, &intent, at(1)).unwrap();
        assert_eq!(
            store.record(&result, at(2)).unwrap(),
            ends.is_some() || operation == Operation::Deploy && matches!(result.kind, OutcomeKind::State(..)),
            "{operation} {result:?}"
        );
        assert_eq!(
            status(&mut store, &ids[0]).0,
            ends.unwrap_or(LifecycleStatus::Pending),
            "{operation} {result:?}"
        );
    }
}

#[test]
fn gone_takes_everything_of_the_decky_along() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    commit(&mut store, &teardown(&["a"]), at(1)).unwrap();
    assert!(store.record(&gone("a"), at(2)).unwrap());
    assert!(member(&mut store, "a").is_none());
    for table in ["decky_identity", "decky_intent", "fleet_deckies"] {
        let rows: i64 =
            home.raw().query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    // Its address and MAC are free.
    let mut again = deploy(&[("z", "127.77.0.1")]);
    again.upserts[0].1.mac = identity("a").mac;
    commit(&mut store, &again, at(3)).unwrap();
}

#[test]
fn late_results_do_not_undo_a_later_intent() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1"), ("b", "127.77.0.2")]), at(0)).unwrap();
    let seen = store.fleet().unwrap().store.serial;
    // Torn down while it was starting: `running` is late.
    let ids = commit(&mut store, &teardown(&["a"]), at(1)).unwrap();
    assert!(!store.record(&state("a", State::Running, None), at(2)).unwrap());
    assert_eq!(member(&mut store, "a").unwrap().state, State::TearingDown);
    assert_eq!(status(&mut store, &ids[0]).0, LifecycleStatus::Pending);
    // Wanted again while it was going: `gone` is late.
    let ids = commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(3)).unwrap();
    for late in [gone("a"), state("a", State::TeardownFailed, Some("busy"))] {
        assert!(!store.record(&late, at(4)).unwrap());
        assert_eq!(member(&mut store, "a").unwrap().state, State::Pending);
    }
    // Changed while it was starting: only the serial tells.
    assert!(!store.record_since(&state("a", State::Running, None), seen, at(5)).unwrap());
    assert_eq!(status(&mut store, &ids[0]).0, LifecycleStatus::Pending);
    assert!(store.record_since(&state("b", State::Running, None), seen, at(5)).unwrap());
    let seen = store.fleet().unwrap().store.serial;
    assert!(store.record_since(&state("a", State::Running, None), seen, at(6)).unwrap());
    assert_eq!(status(&mut store, &ids[0]).0, LifecycleStatus::Succeeded);
    // Nobody of that name.
    assert!(!store.record(&state("nobody", State::Running, None), at(7)).unwrap());
}

#[test]
fn saying_the_same_again_writes_nothing() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1")]), at(0)).unwrap();
    store.record(&state("a", State::Running, None), at(1)).unwrap();
    let before = member(&mut store, "a").unwrap();
    assert!(store.record(&state("a", State::Running, None), at(2)).unwrap());
    assert_eq!(member(&mut store, "a").unwrap(), before);
}

#[test]
fn recent_rows_come_newest_first() {
    let home = Home::new();
    let mut store = home.store();
    commit(&mut store, &deploy(&[("a", "127.77.0.1"), ("b", "127.77.0.2")]), at(5)).unwrap();
    // The clock went back; the order of events did not.
    commit(&mut store, &teardown(&["a"]), at(0)).unwrap();
    let names: Vec<_> =
        store.recent_lifecycle(2).unwrap().into_iter().map(|r| (r.decky_name, r.operation)).collect();
    assert_eq!(names, [("a".to_owned(), Operation::Teardown), ("b".to_owned(), Operation::Deploy)]);
    assert_eq!(store.recent_lifecycle(usize::MAX).unwrap().len(), 3);
    // Another tool's idea of a time does not hide the rows.
    home.raw().execute("UPDATE decky_lifecycle SET started_at = 20260620", []).unwrap();
    assert_eq!(store.recent_lifecycle(1).unwrap()[0].started_at, "20260620");
    assert_eq!(store.lifecycle(&[LifecycleId("no such id".to_owned())]).unwrap(), []);
}

#[test]
fn many_results_are_one_transaction_and_each_is_judged_alone() {
    let home = Home::new();
    let mut store = home.store();
    let ids = commit(&mut store, &deploy(&[("a", "127.77.0.1"), ("b", "127.77.0.2")]), at(0)).unwrap();
    let seen = store.fleet().unwrap().store.serial;
    // A later intent is about `b`: what was worked out before says nothing of it.
    commit(&mut store, &deploy(&[("b", "127.77.0.3")]), at(1)).unwrap();
    let outcomes = [
        state("a", State::Running, None),
        state("b", State::Running, None),
        state("nobody", State::Running, None),
    ];
    assert_eq!(store.record_all(&outcomes, seen, at(2)).unwrap(), [true, false, false]);
    assert_eq!(member(&mut store, "a").unwrap().state, State::Running);
    assert_eq!(member(&mut store, "b").unwrap().state, State::Pending);
    assert_eq!(status(&mut store, &ids[0]).0, LifecycleStatus::Succeeded);
    assert_eq!(store.record_all(&[], seen, at(3)).unwrap(), [false; 0]);
}
