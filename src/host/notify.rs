//! Telling a service manager how it goes: the datagram protocol of `sd_notify(3)`.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A service manager that listens.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The service manager named by `NOTIFY_SOCKET`; none without one.
    ///
    /// # Errors
    /// When it is named and cannot be reached.
    pub fn from_env() -> io::Result<Option<Self>> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let number = |key: &str| std::env::var(key).ok().and_then(|text| text.parse::<u64>().ok());
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|limit| ours && *limit > 0);
        Self::to(&name, watchdog.map(Duration::from_micros)).map(Some)
    }

    /// `name`: a path, or `@` and a name in the abstract namespace. `watchdog`: the longest silence allowed.
    fn to(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, watchdog })
    }

    /// How often [`Notifier::alive`] is to be said: half of what the service manager allows.
    pub fn interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// The service answers.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The service goes on working.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// The service is on its way out.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// One line for people; without line breaks.
    pub fn status(&self, text: &str) {
        self.say(&format!("STATUS={text}"));
    }

    fn say(&self, words: &str) {
        // A manager that does not listen finds out by itself, after the watchdog's time.
        let _ = self.socket.send(words.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn each_word_is_a_datagram_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str(), Some(Duration::from_secs(30))).unwrap();
        assert_eq!(notifier.interval(), Some(Duration::from_secs(15)));
        notifier.ready();
        notifier.status("20 deckies");
        notifier.alive();
        notifier.stopping();
        assert_eq!(
            [(); 4].map(|()| heard(&manager)),
            ["READY=1", "STATUS=20 deckies", "WATCHDOG=1", "STOPPING=1"]
        );
        drop(manager);
        notifier.alive();
    }

    #[test]
    fn an_abstract_name_is_a_name_too() {
        let name = format!("decnet-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::to(OsStr::new(&format!("@{name}")), None).unwrap();
        assert_eq!(notifier.interval(), None);
        notifier.ready();
        assert_eq!(heard(&manager), "READY=1");
    }

    #[test]
    fn what_is_no_address_is_an_error() {
        for name in ["", "relative", "/nonexistent/socket"] {
            assert!(Notifier::to(OsStr::new(name), None).is_err(), "{name}");
        }
    }
}
