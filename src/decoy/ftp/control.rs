//! The control connection: log in, then commands.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::MutexGuard;

use super::Ftp;
use super::product::Product;
use super::replies::{SYSTEM, Say, say};
use super::tree;
use crate::decoy::Session;
use crate::decoy::session::SparePool;
use crate::decoy::vfs::Vfs;
use crate::event::{Kind, SecretKind};

/// Longest command line; vsftpd's limit.
const LINE_MAX: usize = 4096;

/// Commands in one session.
const COMMANDS_MAX: u32 = 5000;

/// Failed logins before the connection ends.
const TRIES_MAX: u32 = 3;

/// How long a wrong password takes, in milliseconds (PAM's delay; measured).
fn refusal(product: Product) -> u64 {
    let real = match product {
        Product::Vsftpd => 3000,
        Product::Proftpd => 2100,
        Product::Pureftpd => 4000,
    };
    if cfg!(test) { 10 } else { real }
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Close,
}

/// Who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) anonymous: bool,
    /// Prefix of every path.
    pub(super) root: &'static str,
}

/// One control connection.
pub(super) struct Control<'p> {
    pub(super) ftp: &'p Ftp,
    pub(super) product: Product,
    pub(super) session: Session,
    pub(super) pool: &'p SparePool,
    pub(super) vfs: Vfs,
    pub(super) login: Option<Login>,
    pub(super) cwd: String,
    pub(super) binary: bool,
    pub(super) restart: u64,
    pub(super) rename: Option<String>,
    pub(super) passive: Option<MutexGuard<'p, TcpListener>>,
    pub(super) active: Option<u16>,
    pub(super) extended_only: bool,
    /// Bytes of all uploads.
    pub(super) uploaded: u64,
    user: Option<String>,
    tries: u32,
    pending: Vec<u8>,
}

impl<'p> Control<'p> {
    pub(super) fn new(ftp: &'p Ftp, session: Session, pool: &'p SparePool) -> Self {
        Self {
            ftp,
            product: ftp.server.product,
            session,
            pool,
            vfs: ftp.vfs.clone(),
            login: None,
            cwd: "/".to_owned(),
            binary: false,
            restart: 0,
            rename: None,
            passive: None,
            active: None,
            extended_only: false,
            uploaded: 0,
            user: None,
            tries: 0,
            pending: Vec::new(),
        }
    }

    /// Talks until the client is done.
    pub(super) async fn run(&mut self) {
        self.talk().await;
        let _ = self.session.stream.shutdown().await;
    }

    async fn talk(&mut self) {
        let greeting = self.greeting();
        if self.session.write(greeting.as_bytes()).await.is_err() {
            return;
        }
        for _ in 0..COMMANDS_MAX {
            // A reserved data socket goes back when the client does not use it soon.
            let wait = if self.passive.is_some() { Duration::from_secs(30) } else { self.session.idle };
            let line = tokio::time::timeout(wait, self.session.line(&mut self.pending, LINE_MAX)).await;
            let line = match line {
                Ok(Ok(Some(line))) => line,
                Ok(Ok(None)) => return,
                Ok(Err(_)) => {
                    self.say(Say::Idle).await;
                    return;
                }
                Err(_) => {
                    self.passive = None;
                    continue;
                }
            };
            if !line.ends_with(b"\n") && line.len() >= LINE_MAX {
                self.session.record.error("long_line", "a command line was longer than 4096 bytes");
                self.say(Say::TooLong).await;
                return;
            }
            if self.command(&line).await == Next::Close {
                return;
            }
        }
    }

    fn greeting(&self) -> String {
        let server = &self.ftp.server;
        if let Some(text) = &server.greeting {
            return text.clone();
        }
        match server.product {
            Product::Vsftpd => format!("220 (vsFTPd {})\r\n", server.version),
            Product::Proftpd => format!("220 ProFTPD Server (Debian) [{}]\r\n", self.ours()),
            Product::Pureftpd => format!(
                "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n220-You are user number 1 of 50 \
                 allowed.\r\n220-Local time is now {}. Server port: {}.\r\n220-This is a private system - No anonymous \
                 login\r\n220-IPv6 connections are also welcome on this server.\r\n220 You will be disconnected after 15 \
                 minutes of inactivity.\r\n",
                jiff::Timestamp::now().strftime("%H:%M"),
                self.session.destination.port()
            )
            .replace(if self.ftp.anonymous { "220-This is a private system - No anonymous login\r\n" } else { "\0" }, ""),
        }
    }

    /// Our address as the client sees it.
    pub(super) fn ours(&self) -> IpAddr {
        self.session.destination.ip().to_canonical()
    }

    /// Says something; a broken connection shows at the next read.
    pub(super) async fn say(&mut self, what: Say<'_>) -> Next {
        let text = say(self.product, what);
        self.raw(&text).await
    }

    pub(super) async fn raw(&mut self, text: &str) -> Next {
        if self.session.write(text.as_bytes()).await.is_ok() { Next::Go } else { Next::Close }
    }

    async fn command(&mut self, line: &[u8]) -> Next {
        // Telnet's interrupt and synch come before ABOR (RFC 959 §4.1.3).
        let start = line.iter().position(|c| *c < 0xf0).unwrap_or(line.len());
        let text = String::from_utf8_lossy(line.get(start..).unwrap_or_default()).into_owned();
        let text = text.trim_end_matches(['\r', '\n']);
        let (verb, arg) = text.split_once(' ').unwrap_or((text, ""));
        let verb = verb.to_ascii_uppercase();
        let plain = !verb.is_empty() && verb.len() <= 8 && verb.bytes().all(|c| c.is_ascii_alphanumeric());
        if verb != "PASS" {
            let action = if plain { verb.to_ascii_lowercase() } else { "unknown".to_owned() };
            let raw = line.trim_ascii_end();
            self.session.record.event(Kind::Command, &action).bytes("process.command_line", raw).emit();
        }
        match verb.as_str() {
            "USER" => self.user(arg).await,
            "PASS" => self.pass(arg).await,
            "QUIT" => {
                self.say(Say::Bye).await;
                Next::Close
            }
            "FEAT" => self.say(Say::Features).await,
            "" => match self.product {
                Product::Proftpd => self.raw("500 Invalid command: try being more creative\r\n").await,
                _ => Next::Go,
            },
            "OPTS" => self.options(arg).await,
            _ if self.login.is_none() => self.stranger(&verb, arg).await,
            _ => self.member(&verb, arg).await,
        }
    }

    async fn user(&mut self, arg: &str) -> Next {
        if let Some(login) = &self.login {
            let same = login.name == arg && !login.anonymous && self.product == Product::Vsftpd;
            return self.say(if same { Say::WantPassword(arg) } else { Say::NoOtherUser }).await;
        }
        if arg.is_empty() && self.product == Product::Proftpd {
            return self.say(Say::NoUser).await;
        }
        self.user = Some(arg.to_owned());
        let guest = self.greets_guest(arg);
        self.say(if guest { Say::WantEmail } else { Say::WantPassword(arg) }).await
    }

    fn greets_guest(&self, name: &str) -> bool {
        self.ftp.anonymous && matches!(name.to_ascii_lowercase().as_str(), "anonymous" | "ftp")
    }

    async fn pass(&mut self, arg: &str) -> Next {
        let Some(user) = self.user.take() else {
            let known = self.login.is_some();
            return self.say(if known { Say::Already } else { Say::WantUser }).await;
        };
        if self.login.is_some() {
            return self.say(Say::Already).await;
        }
        let guest = self.greets_guest(&user);
        let known = self.ftp.account.as_ref().is_some_and(|(name, secret)| *name == user && secret == arg);
        let secret = Some((arg.as_bytes(), SecretKind::Plaintext));
        self.session.record.login("password", user.as_bytes(), secret, guest || known);
        if guest {
            let ftp = self.vfs.machine().user("ftp").map_or((106, 112), |u| (u.uid, u.gid));
            self.vfs.become_user(ftp.0, ftp.1);
            self.login = Some(Login { name: "ftp".to_owned(), anonymous: true, root: tree::ROOT });
            return self.say(Say::AnonymousIn).await;
        }
        if known {
            let found = self.vfs.machine().user(&user).map(|u| (u.uid, u.gid, u.home.clone()));
            let (uid, gid, home) = found.unwrap_or((tree::ACCOUNT, tree::ACCOUNT, format!("/home/{user}")));
            self.vfs.become_user(uid, gid);
            self.cwd = if self.vfs.stat(&home).is_ok() { home } else { "/".to_owned() };
            let home = self.cwd.clone();
            self.login = Some(Login { name: user.clone(), anonymous: false, root: "" });
            return self.say(Say::LoggedIn(&user, &home)).await;
        }
        tokio::time::sleep(Duration::from_millis(refusal(self.product))).await;
        self.tries += 1;
        let next = self.say(Say::Refused).await;
        if self.tries >= TRIES_MAX { Next::Close } else { next }
    }

    /// Commands before a login.
    async fn stranger(&mut self, verb: &str, arg: &str) -> Next {
        match (self.product, verb) {
            (Product::Vsftpd, _) => self.say(Say::LoginFirst).await,
            (
                Product::Proftpd | Product::Pureftpd,
                "SYST" | "HELP" | "NOOP" | "TYPE" | "AUTH" | "CLNT" | "ALLO",
            )
            | (Product::Proftpd, "REIN" | "ACCT" | "HOST" | "PROT" | "PBSZ")
            | (Product::Pureftpd, "ABOR" | "STAT" | "PBSZ" | "PROT") => {
                if verb == "ALLO" && self.product == Product::Proftpd {
                    return self.say(Say::LoginFirst).await;
                }
                self.general(verb, arg).await
            }
            (_, "GET" | "HEAD" | "OPTIONS") => {
                self.session.record.error("http_request", "an HTTP request came to the ftp port");
                if self.product == Product::Pureftpd {
                    let word = verb.to_ascii_lowercase();
                    self.raw(&format!("500 HTTP command: [{word}]\r\n")).await;
                }
                Next::Close
            }
            (Product::Proftpd, _) if !KNOWN.contains(&verb) => self.say(Say::Unknown(verb)).await,
            // Once it has a name, Pure-FTPd tells unknown commands from forbidden ones.
            (Product::Pureftpd, _) if self.user.is_some() && !KNOWN.contains(&verb) => {
                self.say(Say::Unknown(verb)).await
            }
            _ => self.say(Say::LoginFirst).await,
        }
    }

    /// Commands after a login.
    async fn member(&mut self, verb: &str, arg: &str) -> Next {
        let named =
            matches!(verb, "RETR" | "STOR" | "APPE" | "DELE" | "MKD" | "RMD" | "RNFR" | "RNTO" | "REST");
        if named && arg.is_empty() {
            match (self.product, verb) {
                (Product::Proftpd, _) => return self.raw(&format!("500 '{verb}' not understood\r\n")).await,
                (Product::Pureftpd, "REST") => return self.raw("501 No restart point\r\n").await,
                (Product::Pureftpd, _) => return self.raw("501 No file name\r\n").await,
                (Product::Vsftpd, _) => {}
            }
        }
        match verb {
            "PWD" | "XPWD" => {
                let cwd = self.cwd.clone();
                self.say(Say::Here(&cwd)).await
            }
            "CWD" | "XCWD" => self.change(verb, arg).await,
            "CDUP" | "XCUP" => self.change(verb, "..").await,
            "SIZE" => self.size(arg).await,
            "MDTM" => self.time(arg).await,
            "REST" => self.restart_at(arg).await,
            "LIST" | "NLST" => self.list(verb, arg).await,
            "MLSD" if self.product != Product::Vsftpd => self.list(verb, arg).await,
            "MLST" if self.product != Product::Vsftpd => self.facts(arg).await,
            "RETR" => self.retrieve(arg).await,
            "STOR" | "APPE" | "STOU" => self.store(verb, arg).await,
            "DELE" => self.delete(arg).await,
            "MKD" | "XMKD" => self.make(verb, arg).await,
            "RMD" | "XRMD" => self.unmake(verb, arg).await,
            "RNFR" => self.rename_from(arg).await,
            "RNTO" => self.rename_to(arg).await,
            "SITE" => self.site(arg).await,
            "STAT" if !arg.is_empty() => self.stat_path(arg).await,
            "PASV" | "EPSV" => self.passive(verb, arg).await,
            "PORT" | "EPRT" => self.active(verb, arg).await,
            _ => self.general(verb, arg).await,
        }
    }

    /// Commands that touch no file.
    async fn general(&mut self, verb: &str, arg: &str) -> Next {
        let vsftpd = self.product == Product::Vsftpd;
        let first = arg.chars().next().map(|c| c.to_ascii_uppercase());
        match verb {
            "SYST" => self.raw(SYSTEM).await,
            "HELP" => self.say(Say::Help).await,
            "NOOP" => self.say(Say::Noop).await,
            "TYPE" => match first {
                Some('A') => {
                    self.binary = false;
                    self.say(Say::Type('A')).await
                }
                Some(kind @ ('I' | 'L')) => {
                    self.binary = true;
                    self.say(Say::Type(kind)).await
                }
                _ => self.say(Say::NoType(arg)).await,
            },
            "MODE" => self.say(Say::Mode(first == Some('S'), arg)).await,
            "STRU" => self.say(Say::Structure(first == Some('F'), arg)).await,
            "STAT" => self.status().await,
            "ABOR" => {
                (self.passive, self.active) = (None, None);
                self.say(Say::Abort).await
            }
            "AUTH" => self.say(Say::NoTls).await,
            "ALLO" => self.say(Say::Allocate).await,
            "ACCT" | "REIN" | "SMNT" => self.say(Say::Missing(verb)).await,
            "PBSZ" | "PROT" if vsftpd => self.say(Say::NotAllowed(verb, arg)).await,
            "PBSZ" if self.product == Product::Pureftpd => self.raw("503 PBSZ=0\r\n").await,
            "PROT" if self.product == Product::Pureftpd => {
                self.raw("503 PROT must be preceded by a successful PBSZ command\r\n").await
            }
            "CLNT" if self.product == Product::Proftpd => self.raw("200 OK\r\n").await,
            "HOST" if self.product == Product::Proftpd && self.login.is_none() => {
                let name: String = arg.chars().filter(|c| !c.is_control()).collect();
                self.raw(&format!("504 {name}: Unknown hostname provided\r\n")).await
            }
            "HOST" if self.product == Product::Proftpd => self.say(Say::RenameFirst).await,
            "LANG" if self.product == Product::Proftpd => self.raw("500 Unable to handle command\r\n").await,
            "MFMT" | "MFF" if self.product == Product::Proftpd => {
                self.raw("550 Unable to handle command\r\n").await
            }
            "PRET" | "ESTA" | "ESTP" if self.product == Product::Pureftpd => self.raw("200 OK\r\n").await,
            _ => self.say(Say::Unknown(verb)).await,
        }
    }

    async fn options(&mut self, arg: &str) -> Next {
        let word = arg.to_ascii_uppercase();
        let utf8 = word == "UTF8 ON" || (word == "UTF8" && self.product == Product::Pureftpd);
        if utf8 && self.product != Product::Pureftpd {
            return self.say(Say::Utf8).await;
        }
        if word.starts_with("MLST") && self.product == Product::Proftpd {
            return self.raw("200 MLST OPTS \r\n").await;
        }
        if word.starts_with("MLST") && self.product == Product::Pureftpd {
            let facts = "type;size;sizd;modify;UNIX.mode;UNIX.uid;UNIX.gid;unique;";
            return self.raw(&format!("200  MLST OPTS {facts}\r\n")).await;
        }
        self.say(Say::NoOption(arg)).await
    }

    async fn status(&mut self) -> Next {
        let from = self.session.source.ip().to_canonical();
        let name = self.login.as_ref().map_or("ftp", |l| l.name.as_str());
        let mode = if self.binary { "BINARY" } else { "ASCII" };
        let text = match self.product {
            Product::Vsftpd => format!(
                "211-FTP server status:\r\n     Connected to {from}\r\n     Logged in as {name}\r\n     TYPE: {mode}\r\n     No \
                 session bandwidth limit\r\n     Session timeout in seconds is 300\r\n     Control connection is plain \
                 text\r\n     Data connections will be plain text\r\n     At session startup, client count was 1\r\n     \
                 vsFTPd {} - secure, fast, stable\r\n211 End of status\r\n",
                self.ftp.server.version
            ),
            Product::Proftpd => format!(
                "211-Status of 'Debian'\r\n Connected from {from} ({from})\r\n Logged in as {name}\r\n TYPE: {mode}, \
                 STRUcture: File, Mode: Stream\r\n No data connection\r\n211 End of status\r\n"
            ),
            Product::Pureftpd => "211 https://www.pureftpd.org/\r\n".to_owned(),
        };
        self.raw(&text).await
    }
}

/// Commands ProFTPD knows without a login, which it then asks for.
const KNOWN: &[&str] = &[
    "CWD", "XCWD", "CDUP", "XCUP", "SMNT", "PORT", "PASV", "EPRT", "EPSV", "ALLO", "RNFR", "RNTO", "DELE",
    "MDTM", "RMD", "XRMD", "MKD", "XMKD", "PWD", "XPWD", "SIZE", "OPTS", "STRU", "MODE", "RETR", "STOR",
    "STOU", "APPE", "REST", "ABOR", "RANG", "LIST", "NLST", "STAT", "SITE", "MLSD", "MLST", "MFMT", "MFF",
];
