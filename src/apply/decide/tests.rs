use super::*;
use crate::model::Network;

fn order(name: &str, hash: &str) -> Arc<Order> {
    let decky: crate::model::Decky = serde_json::from_value(serde_json::json!({
        "name": name, "ip": "127.77.0.9", "services": ["ssh"], "distro": "debian",
        "base_image": "x", "hostname": "h",
    }))
    .unwrap();
    let network: Network = serde_json::from_value(serde_json::json!({
        "driver": "loopback", "interface": "lo", "subnet": "127.77.0.0/16", "gateway": null,
    }))
    .unwrap();
    let identity = crate::model::Identity {
        mac: "52:54:00:00:00:01".parse().unwrap(),
        seed: crate::model::Seed::new([1; 32]),
    };
    Arc::new(Order {
        customs: vec![],
        persona: crate::fleet::persona(&decky, &identity, &network),
        mac: identity.mac,
        decky,
        network,
        hash: hash.into(),
    })
}

fn row(state: State, last_error: Option<&str>, wish: Wish) -> Row {
    Row { name: "a".into(), state, last_error: last_error.map(Into::into), wish }
}

fn run() -> Wish {
    Wish::Run(order("a", "new"))
}

fn held(hash: &str, phase: Phase, state: State, reason: Option<&str>) -> Held {
    Held { hash: hash.into(), phase, state, reason: reason.map(Into::into) }
}

/// The decisions in one word each, so that the table below reads as one.
fn words(rows: &[Row], held: Option<Held>, news: bool) -> String {
    let held = held.into_iter().map(|h| ("a".parse().unwrap(), h)).collect();
    let news = news.then(|| "a".to_owned()).into_iter().collect();
    let steps = decide(rows, &held, &news);
    let word = |step: &Step| match step {
        Step::Start(order) => format!("start {}", order.hash),
        Step::Retry(_) => "retry".into(),
        Step::Stop(_) => "stop".into(),
        Step::Report(Outcome { kind: OutcomeKind::Gone, .. }) => "gone".into(),
        Step::Report(Outcome { kind: OutcomeKind::State(state, why), .. }) => {
            format!("{state} {}", why.as_deref().unwrap_or("-"))
        }
    };
    steps.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_row_against_everything_held() {
    use Phase::{Starting, Stopping, Stuck, Up, Waiting};
    use State::{Degraded, Failed, Pending, Running, TeardownFailed, TearingDown, TornDown};
    let broken = || Wish::Broken("odd".into());
    let new = |phase, state, reason| Some(held("new", phase, state, reason));
    let up = || new(Up, Running, None);
    let table: Vec<(&str, Row, Option<Held>, bool, &str)> = vec![
        ("a new row", row(Pending, None, run()), None, false, "start new"),
        ("a row of an earlier engine", row(Running, None, run()), None, false, "start new"),
        ("failed under an earlier engine", row(Failed, Some("x"), run()), None, false, "start new"),
        ("starting", row(Pending, None, run()), new(Starting, Pending, None), false, ""),
        ("came up", row(Pending, None, run()), up(), true, "running -"),
        ("came up, recorded", row(Running, None, run()), up(), false, ""),
        ("a repair of one that runs", row(Pending, None, run()), up(), false, "running -"),
        ("changed", row(Pending, None, run()), Some(held("old", Up, Running, None)), false, "start new"),
        (
            "changed while starting",
            row(Pending, None, run()),
            Some(held("old", Starting, Pending, None)),
            false,
            "start new",
        ),
        (
            "changed while waiting",
            row(Pending, None, run()),
            Some(held("old", Waiting, Failed, Some("x"))),
            false,
            "start new",
        ),
        ("failed just now", row(Pending, None, run()), new(Waiting, Failed, Some("x")), true, "failed x"),
        ("failed, recorded", row(Failed, Some("x"), run()), new(Waiting, Failed, Some("x")), false, ""),
        (
            "failed otherwise",
            row(Failed, Some("x"), run()),
            new(Waiting, Failed, Some("y")),
            true,
            "failed y",
        ),
        (
            "a repair of one that waits",
            row(Pending, None, run()),
            new(Waiting, Failed, Some("x")),
            false,
            "retry",
        ),
        ("a crash", row(Running, None, run()), new(Waiting, Degraded, Some("x")), true, "degraded x"),
        (
            "starting after a crash",
            row(Degraded, Some("x"), run()),
            new(Starting, Degraded, Some("x")),
            false,
            "",
        ),
        (
            "wanted again while it ends",
            row(Pending, None, run()),
            new(Stopping, Running, None),
            false,
            "start new",
        ),
        (
            "wanted again though it cannot end",
            row(Pending, None, run()),
            new(Stuck, Failed, Some("x")),
            false,
            "start new",
        ),
        ("unusable", row(Running, None, broken()), None, false, "failed odd"),
        ("unusable, recorded", row(Failed, Some("odd"), broken()), None, false, ""),
        ("unusable by now", row(Running, None, broken()), up(), false, "stop"),
        ("unusable, ending", row(Running, None, broken()), new(Stopping, Running, None), false, ""),
        ("to be removed", row(TearingDown, None, Wish::Remove), up(), false, "stop"),
        (
            "removed while starting",
            row(TearingDown, None, Wish::Remove),
            new(Starting, Pending, None),
            false,
            "stop",
        ),
        (
            "removed while waiting",
            row(TearingDown, None, Wish::Remove),
            new(Waiting, Failed, Some("x")),
            false,
            "stop",
        ),
        ("ending", row(TearingDown, None, Wish::Remove), new(Stopping, Running, None), false, ""),
        ("ended", row(TearingDown, None, Wish::Remove), None, false, "gone"),
        (
            "cannot end",
            row(TearingDown, None, Wish::Remove),
            new(Stuck, Failed, Some("x")),
            true,
            "teardown_failed x",
        ),
        (
            "cannot end, recorded",
            row(TeardownFailed, Some("x"), Wish::Remove),
            new(Stuck, Failed, Some("x")),
            false,
            "",
        ),
        (
            "told again to end",
            row(TearingDown, None, Wish::Remove),
            new(Stuck, Failed, Some("x")),
            false,
            "stop",
        ),
        (
            "not ended under an earlier engine",
            row(TeardownFailed, Some("x"), Wish::Remove),
            None,
            false,
            "gone",
        ),
        ("torn down by another tool", row(TornDown, None, Wish::Nothing), None, false, ""),
        ("torn down while it runs", row(TornDown, None, Wish::Nothing), up(), false, "stop"),
    ];
    for (what, row, held, news, expected) in table {
        assert_eq!(words(&[row], held, news), expected, "{what}");
    }
    assert_eq!(words(&[], up(), false), "stop", "the row vanished");
    assert_eq!(words(&[], new(Stopping, Running, None), false), "", "the row vanished, ending");
}

#[test]
fn a_decky_ends_when_row_and_engine_agree() {
    use State::{Failed, Pending, Running, TeardownFailed, TearingDown};
    let up = held("new", Phase::Up, Running, None);
    let old = held("old", Phase::Up, Running, None);
    let starting = held("new", Phase::Starting, Pending, None);
    let failed = held("new", Phase::Waiting, Failed, Some("x"));
    let stuck = held("new", Phase::Stuck, Failed, Some("x"));
    let end = |row: &Row, held: Option<&Held>| ending(Some(row), held).map(|(e, why)| (e.as_str(), why));
    let none = None::<(&str, Option<String>)>;
    assert_eq!(ending(None, None), Some((Ending::Gone, None)));
    assert_eq!(ending(None, Some(&up)), None);
    assert_eq!(end(&row(Running, None, run()), Some(&up)), Some(("running", None)));
    assert_eq!(end(&row(Running, None, run()), Some(&old)), none, "another specification");
    assert_eq!(end(&row(Running, None, run()), None), none, "left by an earlier engine");
    assert_eq!(end(&row(Pending, None, run()), Some(&up)), none, "not recorded yet");
    assert_eq!(end(&row(Pending, None, run()), Some(&starting)), none);
    assert_eq!(end(&row(Failed, Some("x"), run()), Some(&failed)), Some(("failed", Some("x".into()))));
    assert_eq!(end(&row(TearingDown, None, Wish::Remove), None), none);
    let stays = row(TeardownFailed, Some("x"), Wish::Remove);
    assert_eq!(end(&stays, Some(&stuck)), Some(("teardown_failed", Some("x".into()))));
    let odd = row(Failed, Some("odd"), Wish::Broken("odd".into()));
    assert_eq!(end(&odd, None), Some(("failed", Some("odd".into()))));
}

#[test]
fn an_order_is_kept_until_what_it_is_made_from_changes() {
    let made = order("a", "ignored");
    let identity = crate::model::Identity {
        mac: "52:54:00:00:00:01".parse().unwrap(),
        seed: crate::model::Seed::new([1; 32]),
    };
    let member = Recorded {
        name: "a".into(),
        ip: Some(made.decky.ip),
        services: made.decky.services.clone(),
        decky: Ok(made.decky.clone()),
        identity: Some(identity),
        state: State::Pending,
        last_error: None,
        updated_at: String::new(),
        host_uuid: "local".into(),
    };
    let before =
        Fleet { network: Some(made.network.clone()), members: vec![member.clone()], ..Fleet::default() };
    let known = rows(&before, &Fleet::default(), &[]);
    let change = |edit: &dyn Fn(&mut Fleet)| {
        let mut fleet = before.clone();
        edit(&mut fleet);
        let after = rows(&fleet, &before, &known);
        assert_eq!(after[0].state, fleet.members[0].state);
        let fresh = rows(&fleet, &Fleet::default(), &[]);
        match (&known[0].wish, &after[0].wish, &fresh[0].wish) {
            (Wish::Run(old), Wish::Run(new), Wish::Run(fresh)) => {
                assert_eq!(new.hash, fresh.hash);
                if Arc::ptr_eq(old, new) { "kept" } else { "new" }
            }
            (_, Wish::Remove, Wish::Remove) => "remove",
            (_, Wish::Broken(_), Wish::Broken(_)) => "broken",
            other => panic!("{other:?}"),
        }
    };
    type Case<'a> = (&'a dyn Fn(&mut Fleet), &'a str);
    let table: [Case<'_>; 6] = [
        (&|_| {}, "kept"),
        (&|f| f.members[0].state = State::Running, "kept"),
        (&|f| f.members[0].state = State::TearingDown, "remove"),
        (&|f| f.members[0].identity.as_mut().unwrap().seed = crate::model::Seed::new([2; 32]), "new"),
        (&|f| f.network.as_mut().unwrap().port_offset = 9, "new"),
        (&|f| f.members[0].decky = Err("odd".into()), "broken"),
    ];
    for (edit, expected) in table {
        assert_eq!(change(edit), expected);
    }
}
