//! Talking to a running engine, and starting one.
//!
//! Blocking, for the command line. Every call opens a connection of its own: a connection to an engine
//! that is just being killed can succeed and then break, so a call that got no answer yet is repeated.

mod start;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::protocol::{self, MAX_REPLY, MAX_REQUEST, Reply, Request};
use super::{EngineError, EngineStatus, ErrorKind, Observer, Progress, socket};
use crate::host::StateDir;
use crate::model::Observed;

/// How long a question that needs no work may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long an engine may take to end all its workers.
const STOP: Duration = Duration::from_secs(60);
/// How often a waiting call looks whether its caller gave up.
const TICK: Duration = Duration::from_millis(200);
/// How often a call is made when the connection breaks before the first answer.
const ATTEMPTS: u32 = 5;

/// A running engine.
#[derive(Clone, Debug)]
pub struct Client {
    dir: StateDir,
    pid: u32,
    version: String,
}

/// How long a call waits.
struct Wait<'a> {
    until: Option<Instant>,
    stop: &'a dyn Fn() -> bool,
}

impl Wait<'static> {
    fn at_most(limit: Duration) -> Self {
        Self { until: Instant::now().checked_add(limit), stop: &|| false }
    }
}

impl Client {
    /// Finds the engine of a state directory; `None` when none runs.
    ///
    /// # Errors
    /// When the directory cannot be trusted, or something is there that does not answer.
    pub fn connect(dir: &StateDir) -> Result<Option<Self>, EngineError> {
        if !dir.check()? {
            return Ok(None);
        }
        let mut client = Self { dir: dir.clone(), pid: 0, version: String::new() };
        match client.one(&Request::Ping) {
            Ok(Reply::Pong { pid, version }) => {
                client.pid = pid;
                client.version = version;
                Ok(Some(client))
            }
            Ok(other) => Err(unexpected(&other)),
            Err(error) if error.kind == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds the engine, or starts `exe engine run --background` and waits until it answers. Any number
    /// of callers at once end up with one engine.
    ///
    /// # Errors
    /// When it does not start within ten seconds; the engine's own reason where it gave one.
    pub fn connect_or_start(dir: &StateDir, exe: &Path) -> Result<Self, EngineError> {
        start::connect_or_start(dir, exe)
    }

    /// Process id of the engine.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Program version of the engine: differs from ours after an upgrade without a restart.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The engine's health and everything it holds.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn status(&self) -> Result<EngineStatus, EngineError> {
        match self.one(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the engine make observed equal recorded and waits until each of `names` (none: all) came to
    /// an end; `on` hears of each. No `deadline`: waits as long as it takes.
    ///
    /// # Errors
    /// When the engine ends or cannot be asked; [`ErrorKind::Timeout`] after the deadline: the engine
    /// goes on working then.
    pub fn sync(
        &self,
        names: Option<&[String]>,
        deadline: Option<Duration>,
        on: &mut dyn FnMut(Progress),
    ) -> Result<(), EngineError> {
        self.sync_until(names, deadline, &|| false, on)
    }

    /// As [`Client::sync`]; returns [`ErrorKind::Interrupted`] soon after `stop` says so.
    ///
    /// # Errors
    /// As [`Client::sync`].
    pub fn sync_until(
        &self,
        names: Option<&[String]>,
        deadline: Option<Duration>,
        stop: &dyn Fn() -> bool,
        on: &mut dyn FnMut(Progress),
    ) -> Result<(), EngineError> {
        let wait = Wait { until: deadline.and_then(|d| Instant::now().checked_add(d)), stop };
        let request = Request::Sync { names: names.map(<[String]>::to_vec) };
        let mut odd = None;
        self.converse(&request, &wait, &mut |reply| {
            match reply {
                Reply::Progress(progress) => {
                    on(progress);
                    return ControlFlow::Continue(());
                }
                Reply::Done => {}
                other => odd = Some(unexpected(&other)),
            }
            ControlFlow::Break(())
        })?;
        odd.map_or(Ok(()), Err)
    }

    /// Has `program` take the engine's place, with every decky; returns when it answers.
    ///
    /// # Errors
    /// When the engine does not do so, or the other does not answer within ten seconds.
    pub fn replace(&self, program: &Path) -> Result<(), EngineError> {
        let request = Request::Replace { program: program.to_owned() };
        let mut odd = None;
        self.converse(&request, &Wait::at_most(STOP), &mut |reply| {
            if reply != Reply::Done {
                odd = Some(unexpected(&reply));
            }
            ControlFlow::Break(())
        })?;
        odd.map_or(Ok(()), Err)?;
        // Its socket stays open: who asks now waits until the other takes it up.
        match Self::connect(&self.dir)? {
            Some(_) => Ok(()),
            None => Err(EngineError::new(ErrorKind::Missing, "the engine ended while it was replaced")),
        }
    }

    /// Ends every decky and the engine; returns when it is gone.
    ///
    /// # Errors
    /// When it cannot be asked or does not end within a minute.
    pub fn stop(&self) -> Result<(), EngineError> {
        let wait = Wait::at_most(STOP);
        let mut odd = None;
        let asked = self.converse(&Request::Stop, &wait, &mut |reply| {
            if reply != Reply::Done {
                odd = Some(unexpected(&reply));
            }
            ControlFlow::Break(())
        });
        match (asked, odd) {
            (Err(error), _) if error.kind != ErrorKind::Missing => return Err(error),
            (_, Some(error)) => return Err(error),
            _ => {}
        }
        start::wait_until_gone(&self.dir, STOP)
    }

    /// A question with one answer.
    fn one(&self, request: &Request) -> Result<Reply, EngineError> {
        let mut answer = None;
        self.converse(request, &Wait::at_most(ANSWER), &mut |reply| {
            answer = Some(reply);
            ControlFlow::Break(())
        })
        .map_err(|error| match error.kind {
            ErrorKind::Timeout => {
                let text = format!("the engine is there but gave no answer within {} s", ANSWER.as_secs());
                EngineError::new(ErrorKind::Timeout, text)
                    .remedy("it may be stopped or stuck; kill it and run `decnet reconcile`")
            }
            _ => error,
        })?;
        match answer {
            Some(Reply::Error(error)) => Err(error),
            Some(reply) => Ok(reply),
            None => Err(EngineError::new(ErrorKind::Protocol, "the engine gave no answer")),
        }
    }

    /// Sends a request and hands every answer to `on` until that breaks.
    fn converse(
        &self,
        request: &Request,
        wait: &Wait<'_>,
        on: &mut dyn FnMut(Reply) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let line =
            protocol::line(request).map_err(|e| EngineError::new(ErrorKind::Protocol, e.to_string()))?;
        if line.len() > MAX_REQUEST {
            return Err(EngineError::new(ErrorKind::Protocol, "too many names for one request")
                .remedy("ask for the whole fleet instead"));
        }
        let mut attempt = 1;
        loop {
            let mut answered = false;
            let error = match self.attempt(&line, wait, &mut answered, on) {
                Ok(()) => return Ok(()),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Io(error)) => error,
            };
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    return Err(EngineError::new(ErrorKind::Missing, "no engine runs"));
                }
                _ if answered => {
                    return Err(EngineError::new(
                        ErrorKind::Missing,
                        "the engine ended while it was at work",
                    )
                    .remedy("`decnet reconcile` starts it again and finishes what was left"));
                }
                _ if broken(&error) && attempt < ATTEMPTS => {
                    std::thread::sleep(Duration::from_millis(20) * attempt);
                    attempt += 1;
                }
                _ => return Err(EngineError::io("cannot talk to the engine", &error)),
            }
        }
    }

    fn attempt(
        &self,
        line: &[u8],
        wait: &Wait<'_>,
        answered: &mut bool,
        on: &mut dyn FnMut(Reply) -> ControlFlow<()>,
    ) -> Result<(), Broken> {
        let mut stream = socket::connect(&self.dir)?;
        stream.set_write_timeout(Some(ANSWER))?;
        stream.set_read_timeout(Some(TICK))?;
        stream.write_all(line)?;
        let mut reader = BufReader::new(stream);
        loop {
            let bytes = read_line(&mut reader, wait)?;
            *answered = true;
            let reply = serde_json::from_slice(&bytes).map_err(|error| {
                EngineError::new(ErrorKind::Protocol, format!("the engine's answer makes no sense: {error}"))
                    .remedy("it may be of another version; run `decnet engine stop`, then the command again")
            })?;
            if let Reply::Error(error) = reply {
                return Err(error.into());
            }
            if on(reply).is_break() {
                return Ok(());
            }
        }
    }
}

impl Observer for Client {
    fn observe(&self) -> Result<Observed, EngineError> {
        Ok(self.status()?.deckies)
    }
}

/// Why an attempt ended: the connection, or a reason that no further attempt changes.
enum Broken {
    Io(io::Error),
    Final(EngineError),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        Self::Final(error)
    }
}

/// What a connection to an ending engine says.
fn broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
    )
}

fn read_line(reader: &mut BufReader<UnixStream>, wait: &Wait<'_>) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    loop {
        let room = (MAX_REPLY + 1).saturating_sub(bytes.len()) as u64;
        match reader.by_ref().take(room).read_until(b'\n', &mut bytes) {
            Ok(_) if bytes.ends_with(b"\n") => return Ok(bytes),
            Ok(0) if room > 0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(_) if bytes.len() > MAX_REPLY => {
                return Err(EngineError::new(ErrorKind::Protocol, "the engine's answer is too long").into());
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        if (wait.stop)() {
            return Err(EngineError::new(ErrorKind::Interrupted, "interrupted; the engine goes on").into());
        }
        if wait.until.is_some_and(|until| Instant::now() >= until) {
            return Err(EngineError::new(ErrorKind::Timeout, "the engine did not finish in time")
                .remedy("it goes on working; `decnet status` shows how far it is")
                .into());
        }
    }
}

fn unexpected(reply: &Reply) -> EngineError {
    if let Reply::Error(error) = reply {
        return error.clone();
    }
    EngineError::new(ErrorKind::Protocol, "the engine answered something else than it was asked")
        .remedy("it may be of another version; run `decnet engine stop`, then the command again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::Ending;
    use std::os::unix::net::UnixListener;

    fn serve(listener: UnixListener, scripts: Vec<Vec<u8>>) -> std::thread::JoinHandle<()> {
        listener.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            for script in scripts {
                let (stream, _) = listener.accept().unwrap();
                if script.is_empty() {
                    continue;
                }
                let mut request = String::new();
                BufReader::new(&stream).read_line(&mut request).unwrap();
                (&stream).write_all(&script).unwrap();
            }
        })
    }

    fn dir() -> (tempfile::TempDir, StateDir) {
        let tmp = tempfile::tempdir().unwrap();
        let dir = StateDir::resolve(Some(&tmp.path().join("s"))).unwrap();
        dir.create().unwrap();
        (tmp, dir)
    }

    #[test]
    fn nobody_there_is_none() {
        let (_tmp, dir) = dir();
        assert!(Client::connect(&dir).unwrap().is_none());
        drop(socket::bind(&dir).unwrap());
        assert!(Client::connect(&dir).unwrap().is_none());
    }

    #[test]
    fn broken_connections_are_tried_again_until_the_first_answer() {
        let (_tmp, dir) = dir();
        let pong = protocol::line(&Reply::Pong { pid: 7, version: "1".into() }).unwrap();
        let progress = protocol::line(&Reply::Progress(Progress {
            name: "a".into(),
            state: Ending::Running,
            error: None,
        }))
        .unwrap();
        let server = serve(
            socket::bind(&dir).unwrap(),
            vec![
                vec![],
                vec![],
                pong,
                progress.clone(),
                [progress, b"{\"reply\":\"done\"}\n".to_vec()].concat(),
            ],
        );
        let client = Client::connect(&dir).unwrap().unwrap();
        assert_eq!(client.pid(), 7);
        let mut heard = 0;
        let error = client.sync(None, None, &mut |_| heard += 1).unwrap_err();
        assert_eq!((error.kind, heard), (ErrorKind::Missing, 1));
        client.sync(None, None, &mut |_| heard += 1).unwrap();
        assert_eq!(heard, 2);
        server.join().unwrap();
    }

    #[test]
    fn silence_ends_with_the_deadline_and_with_the_caller() {
        let (_tmp, dir) = dir();
        let _listener = socket::bind(&dir).unwrap();
        let client = Client { dir, pid: 0, version: String::new() };
        let deadline = Some(Duration::from_millis(1));
        assert_eq!(client.sync(None, deadline, &mut |_| {}).unwrap_err().kind, ErrorKind::Timeout);
        let stopped = client.sync_until(None, None, &|| true, &mut |_| {});
        assert_eq!(stopped.unwrap_err().kind, ErrorKind::Interrupted);
    }
}
