use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::*;
use crate::engine::protocol::Ending;
use crate::engine::{Observer, Order, Phase, WriterStatus};
use crate::model::{Decky, Identity, Intent, LifecycleStatus, Network, Observed, Operation, Seed};
use crate::store::Store;
use tokio::signal::unix::{SignalKind, signal};

/// What the fake does with every order, and what it was told.
#[derive(Default)]
struct Script {
    /// Names that cannot start.
    broken: BTreeSet<String>,
    /// Names that cannot be ended.
    immortal: BTreeSet<String>,
    calls: Vec<String>,
}

/// Runs nothing and says so at once.
struct Fake {
    script: Arc<Mutex<Script>>,
    held: BTreeMap<DeckyName, Held>,
    notices: VecDeque<Notice>,
}

impl Fake {
    fn settle(&mut self, name: &DeckyName, hash: String) {
        let broken = self.script.lock().unwrap().broken.contains(name.as_str());
        let (phase, state, reason) = if broken {
            (Phase::Waiting, State::Failed, Some("port taken".to_owned()))
        } else {
            (Phase::Up, State::Running, None)
        };
        self.held.insert(name.clone(), Held { hash, phase, state, reason });
        self.notices.push_back(Notice::Settled(name.clone()));
    }

    fn call(&self, text: String) {
        self.script.lock().unwrap().calls.push(text);
    }
}

impl Observer for Fake {
    fn observe(&self) -> Result<Observed, EngineError> {
        Ok(Observed::default())
    }
}

impl Engine for Fake {
    fn start(&mut self, order: Order) {
        self.call(format!("start {}", order.decky.name));
        self.settle(&order.decky.name.clone(), order.hash);
    }

    fn retry(&mut self, name: &DeckyName) {
        self.call(format!("retry {name}"));
        let hash = self.held[name].hash.clone();
        self.settle(name, hash);
    }

    fn stop(&mut self, name: &DeckyName) {
        self.call(format!("stop {name}"));
        if self.script.lock().unwrap().immortal.contains(name.as_str()) {
            let held = self.held.get_mut(name).unwrap();
            (held.phase, held.reason) = (Phase::Stuck, Some("survives".to_owned()));
            self.notices.push_back(Notice::Stuck(name.clone(), "survives".to_owned()));
        } else {
            self.held.remove(name);
            self.notices.push_back(Notice::Gone(name.clone()));
        }
    }

    fn forward(&mut self, _: Option<crate::model::LogTarget>) {}

    async fn next(&mut self) -> Notice {
        match self.notices.pop_front() {
            Some(notice) => notice,
            None => std::future::pending().await,
        }
    }

    fn held(&self, name: &DeckyName) -> Option<Held> {
        self.held.get(name).cloned()
    }

    fn names(&self) -> Vec<DeckyName> {
        self.held.keys().cloned().collect()
    }

    fn writer(&self) -> WriterStatus {
        WriterStatus::default()
    }
}

fn decky(name: &str, ip: u8, hostname: &str) -> (Decky, Identity) {
    let decky = serde_json::from_value(serde_json::json!({
        "name": name, "ip": format!("127.77.0.{ip}"), "services": ["ssh"], "distro": "debian",
        "base_image": "x", "hostname": hostname,
    }));
    let mac = format!("52:54:00:00:00:{ip:02x}").parse().unwrap();
    (decky.unwrap(), Identity { mac, seed: Seed::new([ip; 32]) })
}

fn network() -> Network {
    serde_json::from_value(serde_json::json!({
        "driver": "loopback", "interface": "lo", "subnet": "127.77.0.0/16", "gateway": null,
    }))
    .unwrap()
}

/// A store, a loop on it that runs in the background, and the way to ask it.
struct Bench {
    _tmp: tempfile::TempDir,
    store: Store,
    script: Arc<Mutex<Script>>,
    ask: mpsc::UnboundedSender<Ask>,
    work: tokio::task::JoinHandle<()>,
}

impl Bench {
    fn new() -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("s/decnet.db");
        let store = Store::open_write(&path).unwrap();
        let script = Arc::<Mutex<Script>>::default();
        let fake = Fake { script: script.clone(), held: BTreeMap::new(), notices: VecDeque::new() };
        let (ask, asks) = mpsc::unbounded_channel();
        let ledger = Ledger::open(path).unwrap();
        let work = tokio::spawn(async move {
            let listen = |kind| signal(kind).unwrap();
            let (terminate, interrupt) =
                (listen(SignalKind::user_defined1()), listen(SignalKind::user_defined2()));
            let mut ends = Ends { terminate, interrupt };
            let mut work = Loop::new(fake, ledger, asks);
            let end = work.run(&mut ends, || true).await;
            work.finish(&mut ends, matches!(end, End::Asked)).await;
        });
        Self { _tmp: tmp, store, script, ask, work }
    }

    fn commit(&mut self, intent: &Intent) {
        let now = Timestamp::now();
        self.store.transact(|txn| txn.commit_intent(intent, now)).unwrap();
    }

    async fn sync(&self, names: Option<&[&str]>) -> Vec<String> {
        let (tell, mut replies) = mpsc::unbounded_channel();
        let names = names.map(|names| names.iter().map(|n| (*n).to_owned()).collect());
        self.ask.send(Ask::Sync { names, tell }).unwrap();
        let mut heard = Vec::new();
        let all = async {
            while let Some(reply) = replies.recv().await {
                match reply {
                    Reply::Progress(p) => heard.push(format!("{} {}", p.name, p.state.as_str())),
                    Reply::Done => return,
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.expect("the sync ends");
        heard.sort();
        heard
    }

    fn states(&mut self) -> Vec<String> {
        let fleet = self.store.fleet().unwrap();
        let text = |m: &crate::model::Recorded| {
            format!("{} {} {}", m.name, m.state, m.last_error.as_deref().unwrap_or("-"))
        };
        fleet.members.iter().map(text).collect()
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().unwrap().calls)
    }
}

fn upsert(deckies: Vec<(Decky, Identity)>) -> Intent {
    let lifecycle = deckies.iter().map(|(d, _)| (d.name.as_str().to_owned(), Operation::Deploy)).collect();
    Intent { network: Some(network()), upserts: deckies, lifecycle, ..Intent::default() }
}

#[tokio::test]
async fn deploys_changes_repairs_and_removes() {
    let mut bench = Bench::new();
    bench.script.lock().unwrap().broken.insert("b".into());
    bench.commit(&upsert(vec![decky("a", 1, "h1"), decky("b", 2, "h2")]));
    assert_eq!(bench.sync(Some(&["a", "b"])).await, ["a running", "b failed"]);
    assert_eq!(bench.states(), ["a running -", "b failed port taken"]);
    assert_eq!(bench.calls(), ["start a", "start b"]);
    let rows = bench.store.recent_lifecycle(9).unwrap();
    let mut ends: Vec<_> = rows.iter().map(|r| (r.decky_name.as_str(), r.status)).collect();
    ends.sort_unstable();
    assert_eq!(ends, [("a", LifecycleStatus::Succeeded), ("b", LifecycleStatus::Failed)]);

    // Nothing to do is done at once, and nothing is started again.
    assert_eq!(bench.sync(None).await, ["a running", "b failed"]);
    assert_eq!(bench.calls(), [""; 0]);

    // A repair tries again; a change starts anew.
    bench.script.lock().unwrap().broken.clear();
    bench.commit(&Intent { repairs: vec!["b".parse().unwrap()], ..Intent::default() });
    assert_eq!(bench.sync(Some(&["b"])).await, ["b running"]);
    bench.commit(&upsert(vec![decky("a", 1, "other")]));
    assert_eq!(bench.sync(Some(&["a"])).await, ["a running"]);
    assert_eq!(bench.calls(), ["retry b", "start a"]);

    bench.commit(&Intent { removals: vec!["a".into()], ..Intent::default() });
    assert_eq!(bench.sync(Some(&["a", "never-was"])).await, ["a gone", "never-was gone"]);
    assert_eq!(bench.states(), ["b running -"]);
    assert_eq!(bench.calls(), ["stop a"]);
}

#[tokio::test]
async fn what_cannot_be_ended_is_said_and_tried_again_when_told() {
    let mut bench = Bench::new();
    bench.script.lock().unwrap().immortal.insert("a".into());
    bench.commit(&upsert(vec![decky("a", 1, "h1")]));
    assert_eq!(bench.sync(None).await, ["a running"]);
    let removal = Intent { removals: vec!["a".into()], ..Intent::default() };
    bench.commit(&removal);
    assert_eq!(bench.sync(None).await, [format!("a {}", Ending::TeardownFailed.as_str())]);
    assert_eq!(bench.states(), ["a teardown_failed survives"]);
    bench.script.lock().unwrap().immortal.clear();
    bench.commit(&removal);
    assert_eq!(bench.sync(Some(&["a"])).await, ["a gone"]);
    assert_eq!(bench.calls(), ["start a", "stop a", "stop a"]);
}

#[tokio::test]
async fn a_stopped_engine_leaves_rows_that_do_not_claim_to_run() {
    let mut bench = Bench::new();
    bench.script.lock().unwrap().broken.insert("b".into());
    bench.commit(&upsert(vec![decky("a", 1, "h1"), decky("b", 2, "h2")]));
    bench.sync(None).await;
    let (tell, mut replies) = mpsc::unbounded_channel();
    bench.ask.send(Ask::Stop(tell)).unwrap();
    assert_eq!(replies.recv().await, Some(Reply::Done));
    (&mut bench.work).await.unwrap();
    assert_eq!(bench.states(), ["a pending the engine was stopped", "b failed port taken"]);
}
