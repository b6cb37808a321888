//! Microsoft SQL Server: TDS 7.0 to 7.4, TLS inside its packets, logins with passwords and NTLM, and a
//! small Transact-SQL session behind an optional account.

mod data;
mod lex;
mod product;
mod rpc;
mod select;
mod shell;
mod sql;
mod tds;
#[cfg(test)]
mod tests;
mod token;
mod tunnel;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use self::product::Product;
use self::sql::Sql;
use self::tds::{Encryption, Login, Prelogin, kind};
use self::token::Tokens;
use self::tunnel::Tunnel;
use super::ntlm::{Exchange, Host, Step};
use super::session::{Recorder, timeout};
use super::tls::{Subject, Tls};
use super::{Decoy, Served, Session, le, setting};
use crate::decoy::software::Software;
use crate::event::{Kind, SecretKind};
use crate::model::{Persona, Settings};

/// Messages after which a session ends.
const MESSAGES_MAX: u32 = 10_000;

/// Makes the SQL Server decoy. Settings: `version`, `user` and `password` (an account that gets in; `sa`
/// when only the password is given, none without it).
pub fn build(persona: &Persona, settings: &Settings) -> Arc<dyn Decoy> {
    let host = Host::new(persona);
    let user = setting::text(settings, "user").unwrap_or("sa");
    // What the server makes for itself where nobody gave it a certificate.
    let subject = Subject {
        common_name: "SSL_Self_Signed_Fallback".to_owned(),
        organisation: None,
        names: Vec::new(),
        days: 10_957,
        ca: false,
    };
    Arc::new(Mssql {
        product: Product::new(persona, settings, &host),
        account: setting::text(settings, "password").map(|password| (user.to_owned(), password.to_owned())),
        tls: Tls::derived(persona, "mssql", subject).only_1_2(),
        persona: persona.clone(),
        host,
    })
}

/// What runs, for the shell.
pub(crate) fn software(persona: &Persona, settings: &Settings) -> Software {
    let [major, minor, build, revision] = Product::new(persona, settings, &Host::new(persona)).version;
    Software::new("sqlservr", &format!("{major}.{minor}.{build}.{revision}"))
}

struct Mssql {
    product: Product,
    account: Option<(String, String)>,
    tls: Tls,
    persona: Persona,
    host: Host,
}

impl Decoy for Mssql {
    fn serve(self: Arc<Self>, session: Session) -> Served {
        Box::pin(async move {
            let record = session.record.clone();
            if let Err(error) = self.talk(session).await
                && error.kind() == io::ErrorKind::InvalidData
            {
                record.error("protocol", "no TDS message");
            }
        })
    }
}

impl Mssql {
    async fn talk(&self, mut session: Session) -> io::Result<()> {
        let idle = session.idle;
        let Some((first, bytes)) = tds::message(&mut session.stream, idle).await? else { return Ok(()) };
        if first == kind::OLD_LOGIN {
            return self.ancient(&mut session, &bytes).await;
        }
        let mut early = None;
        let mut encryption = Encryption::None;
        if first == kind::PRELOGIN {
            let Some(prelogin) = Prelogin::parse(&bytes) else {
                session.record.error("protocol", "malformed prelogin");
                return Ok(());
            };
            encryption = prelogin.encryption;
            let mut draft = session.record.event(Kind::Request, "prelogin");
            if let Some([major, minor, a, b, ..]) = prelogin.version {
                let build = u16::from_be_bytes([a, b]);
                draft = draft.text("mssql.client_version", &format!("{major}.{minor}.{build}"));
            }
            draft.emit();
            session.write(&tds::packets(kind::ANSWER, 0, &prelogin.answer(self.product.version))).await?;
        } else {
            early = Some((first, bytes));
        }
        match encryption {
            Encryption::None => {
                let (stream, record) = (&mut session.stream, &session.record);
                let Some(login) = self.login(stream, idle, record, early).await? else { return Ok(()) };
                self.session(stream, idle, record, &login).await
            }
            Encryption::All => {
                let record = session.record.clone();
                let mut stream = self.tls.wrap(&record, Tunnel::new(session.stream)).await?;
                stream.get_mut().0.get_mut().open();
                let Some(login) = self.login(&mut stream, idle, &record, None).await? else {
                    return Ok(());
                };
                self.session(&mut stream, idle, &record, &login).await
            }
            Encryption::Login => {
                let record = session.record.clone();
                let mut stream = self.tls.wrap(&record, Tunnel::new(session.stream)).await?;
                stream.get_mut().0.get_mut().open();
                let Some((first, bytes)) = tds::message(&mut stream, idle).await? else { return Ok(()) };
                // From here on it is clear text again.
                let mut stream = stream.into_inner().0.into_inner().into_inner();
                let first = Some((first, bytes));
                let Some(login) = self.login(&mut stream, idle, &record, first).await? else {
                    return Ok(());
                };
                self.session(&mut stream, idle, &record, &login).await
            }
        }
    }

    /// A client from before version 7: it is recorded, and the connection ends as the server ends it.
    async fn ancient(&self, session: &mut Session, bytes: &[u8]) -> io::Result<()> {
        let Some(login) = Login::parse_old(bytes) else {
            session.record.error("protocol", "malformed login");
            return Ok(());
        };
        record_password(&session.record, &login, false);
        Ok(())
    }

    /// Takes a login, the first message of which may be there already; none when the client is not let in.
    async fn login<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        idle: Duration,
        record: &Recorder,
        first: Option<(u8, Vec<u8>)>,
    ) -> io::Result<Option<Login>> {
        let first = match first {
            Some(first) => Some(first),
            None => tds::message(stream, idle).await?,
        };
        let Some((kind::LOGIN, bytes)) = first else { return Ok(None) };
        let Some(login) = Login::parse(&bytes) else {
            record.error("protocol", "malformed login");
            return Ok(None);
        };
        let mut tokens = Tokens::new(&self.product, login.version);
        let admitted = match &login.sspi {
            Some(token) => {
                let token = token.clone();
                self.integrated(stream, idle, record, &login, token).await?;
                let text = "Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication.";
                tokens.error(18452, (14, 1), text);
                false
            }
            None => {
                let ok = self.account.as_ref().is_some_and(|(user, password)| {
                    user.eq_ignore_ascii_case(&login.user) && *password == login.password
                });
                record_password(record, &login, ok);
                if !ok {
                    tokens.error(18456, (14, 1), &format!("Login failed for user '{}'.", login.user));
                }
                ok
            }
        };
        if !admitted {
            tokens.done(false, 0, None, true);
            send(stream, idle, &tds::packets(kind::ANSWER, 0, &tokens.out)).await?;
            return Ok(None);
        }
        Ok(Some(login))
    }

    /// Asks for an NTLM answer and records it.
    async fn integrated<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        idle: Duration,
        record: &Recorder,
        login: &Login,
        mut token: Vec<u8>,
    ) -> io::Result<()> {
        let Some(mut exchange) = Exchange::new() else { return Ok(()) };
        // A negotiation, a choice of the mechanism, and the answer.
        for _ in 0..3 {
            match exchange.step(&self.host, &token) {
                Step::Continue(reply) => {
                    let mut tokens = Tokens::new(&self.product, login.version);
                    tokens.sspi(&reply);
                    send(stream, idle, &tds::packets(kind::ANSWER, 0, &tokens.out)).await?;
                    match tds::message(stream, idle).await? {
                        Some((kind::SSPI, bytes)) => token = bytes,
                        _ => return Ok(()),
                    }
                }
                Step::Done(message) => {
                    message.record(record, &exchange.challenge, false);
                    return Ok(());
                }
                Step::Bad => {
                    record.error("protocol", "malformed token of integrated security");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        idle: Duration,
        record: &Recorder,
        login: &Login,
    ) -> io::Result<()> {
        let version = login.version.min(0x7400_0004);
        let mut sql = Sql::new(&self.product, (&self.host, &self.persona, record), &login.user, &login.host);
        sql.process = 51 + u16::try_from(self.persona.seed.number("mssql/process", 30)).unwrap_or(0);
        if let Some(known) = sql.data.databases.iter().find(|d| d.eq_ignore_ascii_case(&login.database)) {
            sql.database.clone_from(known);
        }
        let mut tokens = Tokens::new(&self.product, version);
        tokens.welcome(version, &sql.database, "us_english");
        send(stream, idle, &tds::packets(kind::ANSWER, sql.process, &tokens.out)).await?;
        for _ in 0..MESSAGES_MAX {
            let Some((kind, bytes)) = tds::message(stream, idle).await? else { return Ok(()) };
            let mut tokens = Tokens::new(&self.product, version);
            match kind {
                kind::BATCH => {
                    let text = le::text(rpc::after_headers(&bytes, version));
                    record_query(record, "batch", &text);
                    sql.batch(&text, &mut tokens);
                }
                kind::RPC => rpc::run(&mut sql, rpc::after_headers(&bytes, version), &mut tokens),
                kind::ATTENTION => tokens.attention(),
                kind::TRANSACTION => tokens.done(false, 0xd4, None, false),
                _ => return Ok(()),
            }
            send(stream, idle, &tds::packets(kind::ANSWER, sql.process, &tokens.out)).await?;
        }
        Ok(())
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, idle: Duration, bytes: &[u8]) -> io::Result<()> {
    timeout(idle, async {
        stream.write_all(bytes).await?;
        stream.flush().await
    })
    .await
}

fn record_password(record: &Recorder, login: &Login, ok: bool) {
    record
        .event(Kind::Login, "login")
        .outcome(ok)
        .user(login.user.as_bytes())
        .secret(login.password.as_bytes(), SecretKind::Plaintext)
        .text("mssql.client_host", &login.host)
        .text("mssql.application", &login.application)
        .text("mssql.server", &login.server)
        .text("mssql.library", &login.library)
        .text("mssql.language", &login.language)
        .text("db.name", &login.database)
        .text("mssql.client_id", &hex::encode(login.client))
        .text("mssql.tds_version", &format!("{:08x}", login.version))
        .emit();
}

/// Records what a client asks.
fn record_query(record: &Recorder, action: &str, text: &str) {
    record.event(Kind::Query, action).bytes("db.statement", text.as_bytes()).emit();
}
