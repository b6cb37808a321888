//! Logins and shares of version 1.

use super::old::Request;
use super::{Conn, Login, SESSIONS_MAX, Who, product, status};
use crate::decoy::le::{self, Put as _, Reader};
use crate::decoy::ntlm::{Authenticate, Exchange, Step};

impl Conn {
    /// What the system and the file server call themselves.
    fn native(&self) -> (String, String) {
        let system = self.smb.host.system;
        if system.windows {
            (format!("{} {}", system.name, system.build), format!("{} 6.3", system.name))
        } else {
            (system.name.to_owned(), format!("Samba {}", product::samba(&self.smb.persona.distro)))
        }
    }

    pub(super) fn old_setup(&mut self, request: &Request<'_>) -> Vec<u8> {
        if request.words.len() == 24 {
            return self.old_extended(request);
        }
        let (lm, nt) = match (request.words.len(), request.word(7), request.word(8)) {
            (26, Some(lm), Some(nt)) => (usize::from(lm), usize::from(nt)),
            _ => return request.error(status::INVALID_PARAMETER),
        };
        let mut reader = Reader::new(request.data);
        let (Some(lm), Some(nt)) = (reader.take(lm), reader.take(nt)) else {
            return request.error(status::INVALID_PARAMETER);
        };
        let texts = self.texts(request, reader.rest());
        let text = |at: usize| texts.get(at).cloned().unwrap_or_default();
        let message = Authenticate::plain(text(0), text(1), lm, nt);
        let challenge = self.old.challenge;
        match self.login(&message, &challenge) {
            Ok((who, _)) => {
                let Some(user) = self.old_user(request.user) else {
                    return request.error(status::REQUEST_NOT_ACCEPTED);
                };
                if let Some(login) = self.sessions.get_mut(&user.into()) {
                    login.who = Some(who);
                }
                let (system, server) = self.native();
                let mut words = vec![0xff, 0, 0, 0];
                words.u16(u16::from(who == Who::Guest));
                let mut data = Vec::new();
                if request.wide() {
                    data.push(0);
                }
                request.text(&mut data, &system);
                request.text(&mut data, &server);
                request.text(&mut data, &self.smb.host.workgroup);
                with_user(request.reply(status::OK, &words, &data), user)
            }
            Err(status) => request.error(status),
        }
    }

    /// The texts that follow the answers of a login.
    fn texts(&self, request: &Request<'_>, rest: &[u8]) -> Vec<String> {
        if request.wide() {
            let odd = (request.message.len() - rest.len()) % 2;
            let all = le::text(rest.get(odd..).unwrap_or_default());
            all.split('\0').take(4).map(str::to_owned).collect()
        } else {
            let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
            rest.split(|b| *b == 0).take(4).map(text).collect()
        }
    }

    /// The number of a login that has begun, or a new one.
    fn old_user(&mut self, asked: u16) -> Option<u16> {
        if asked != 0 && self.sessions.contains_key(&asked.into()) {
            return Some(asked);
        }
        if self.sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let number = (0x0800..u16::MAX).find(|n| !self.sessions.contains_key(&u64::from(*n)))?;
        self.sessions.insert(number.into(), Login::new([0; 64]));
        Some(number)
    }

    fn old_extended(&mut self, request: &Request<'_>) -> Vec<u8> {
        let length = request.word(7).map_or(0, usize::from);
        let Some(token) = request.data.get(..length).filter(|token| !token.is_empty()) else {
            return request.error(status::INVALID_PARAMETER);
        };
        let Some(user) = self.old_user(request.user) else {
            return request.error(status::REQUEST_NOT_ACCEPTED);
        };
        let Some(login) = self.sessions.get_mut(&user.into()) else { return request.error(status::BAD_UID) };
        let Some(mut exchange) = login.exchange.take().or_else(Exchange::new) else {
            return request.error(status::INSUFFICIENT_RESOURCES);
        };
        let (status, token, guest) = match exchange.step(&self.smb.host, token) {
            Step::Continue(token) => {
                login.exchange = Some(exchange);
                (status::MORE_PROCESSING, token, false)
            }
            Step::Bad => {
                self.sessions.remove(&user.into());
                return request.error(status::INVALID_PARAMETER);
            }
            Step::Done(message) => match self.login(&message, &exchange.challenge) {
                Ok((who, key)) => {
                    if let Some(login) = self.sessions.get_mut(&user.into()) {
                        login.who = Some(who);
                    }
                    (status::OK, exchange.accepted(&message, key.as_ref()), who == Who::Guest)
                }
                Err(status) => {
                    self.sessions.remove(&user.into());
                    return request.error(status);
                }
            },
        };
        let (system, server) = self.native();
        let mut words = vec![0xff, 0, 0, 0];
        words.u16(u16::from(guest)).u16(le::short(token.len()));
        let mut data = token;
        // The texts lie on even offsets: before the data are header, count, four words, count.
        if request.wide() && data.len().is_multiple_of(2) {
            data.push(0);
        }
        request.text(&mut data, &system);
        request.text(&mut data, &server);
        if !self.smb.host.system.windows {
            request.text(&mut data, &self.smb.host.workgroup);
        }
        with_user(request.reply(status, &words, &data), user)
    }

    pub(super) fn old_connect(&mut self, request: &Request<'_>) -> Vec<u8> {
        let skip = request.word(3).map_or(0, usize::from);
        let Some(rest) = request.data.get(skip..) else { return request.error(status::INVALID_PARAMETER) };
        let texts = self.texts(request, rest);
        let path = texts.first().cloned().unwrap_or_default();
        match self.enter(request.user.into(), &path) {
            Ok(number) => {
                let tree = le::short(usize::try_from(number).unwrap_or(0));
                let login = self.sessions.get(&request.user.into());
                let pipes = login.and_then(|l| l.trees.get(&number)).is_some_and(|t| t.share.is_pipes());
                let words = [0xff, 0, 0, 0, 1, 0];
                let mut data = if pipes { b"IPC\0".to_vec() } else { b"A:\0".to_vec() };
                if pipes {
                    data.push(0);
                } else {
                    request.text(&mut data, "NTFS");
                }
                let mut out = request.reply(status::OK, &words, &data);
                out[24..26].copy_from_slice(&tree.to_le_bytes());
                out
            }
            Err(status) => request.error(status),
        }
    }
}

/// Puts the number of a login into an answer.
fn with_user(mut reply: Vec<u8>, user: u16) -> Vec<u8> {
    reply[28..30].copy_from_slice(&user.to_le_bytes());
    reply
}
