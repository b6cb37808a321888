//! What each product says to binds with a password, searches, changes and extended operations.

use super::directory::{Entry, normal};
use super::filter::Filter;
use super::message::{Message, Outcome, Search, code};
use super::{Ldap, Next, PAGED, START_TLS, State, WHO_AM_I, ad, slapd};
use crate::decoy::Session;
use crate::event::Kind;

/// Entries that one search gives away.
const ENTRIES_MAX: usize = 1000;
/// Attributes that an event lists.
const SHOWN: usize = 24;

impl Ldap {
    /// A bind with a name and a password, and who that is.
    pub(super) fn simple(&self, name: &[u8], password: &[u8]) -> (Outcome, Option<String>) {
        let text = String::from_utf8_lossy(name);
        if self.windows {
            if password.is_empty() {
                return (Outcome::default(), None);
            }
            let fits =
                |(user, own): &&(String, String)| own.as_bytes() == password && self.means(&text, user);
            return match self.accounts.iter().find(fits) {
                Some((account, _)) => {
                    (Outcome::default(), Some(format!("u:{}\\{account}", self.domain.netbios)))
                }
                None => {
                    let comment = "AcceptSecurityContext error";
                    let text = ad::error("80090308", "0C090436", comment, "52e");
                    (Outcome::new(code::INVALID_CREDENTIALS, text), None)
                }
            };
        }
        let Some(dn) = normal(&text) else {
            return (Outcome::new(code::INVALID_DN, "invalid DN"), None);
        };
        if password.is_empty() {
            let text = "unauthenticated bind (DN with no password) disallowed";
            return (Outcome::new(code::UNWILLING, text), None);
        }
        let known = self.unix_account().filter(|own| *own == dn && self.password_fits(password));
        match known {
            Some(_) => (Outcome::default(), Some(format!("dn:{text}"))),
            None => (Outcome::new(code::INVALID_CREDENTIALS, ""), None),
        }
    }

    fn password_fits(&self, password: &[u8]) -> bool {
        self.accounts.first().is_some_and(|(_, own)| own.as_bytes() == password)
    }

    /// Whether a name means the account `user`: plain, with the domain before or behind, or as an entry.
    fn means(&self, name: &str, user: &str) -> bool {
        let low = name.to_lowercase();
        let own = user.to_lowercase();
        let netbios = self.domain.netbios.to_lowercase();
        let forms = [
            own.clone(),
            format!("{netbios}\\{own}"),
            format!("{own}@{}", self.domain.dns),
            format!("{}\\{own}", self.domain.dns),
        ];
        let entry = || {
            let key = normal(name)?;
            self.directory().get(&key).filter(|e| e.holds(b"sAMAccountName", user.as_bytes()))
        };
        forms.contains(&low) || entry().is_some()
    }

    /// The entry of the account, for comparing.
    fn unix_account(&self) -> Option<String> {
        let (user, _) = self.accounts.first()?;
        let suffix = slapd::suffix(&self.domain);
        match user.as_str() {
            user if user.contains('=') => normal(user),
            "admin" => normal(&format!("cn=admin,{suffix}")),
            user => normal(&format!("uid={user},ou=people,{suffix}")),
        }
    }

    /// A search: entries, and its end.
    pub(super) fn search(
        &self,
        session: &Session,
        state: &State,
        message: &Message,
        search: &Search,
        out: &mut Vec<u8>,
    ) {
        let style = self.style();
        let (mut outcome, found) = self.find(state, message, search);
        let limit = if search.limit == 0 { ENTRIES_MAX } else { search.limit.min(ENTRIES_MAX) };
        let count = found.len().min(limit);
        for entry in found.iter().take(limit) {
            let mut list = entry.select(&search.attributes);
            if search.types_only {
                list.iter_mut().for_each(|(_, values)| *values = &[]);
            }
            out.extend(style.entry(message.id, &entry.dn, &list));
        }
        if found.len() > limit {
            outcome = Outcome::new(code::SIZE_LIMIT, "");
        }
        let whole = self.windows && search.scope == 2 && outcome.code == code::SUCCESS;
        let base = normal(&String::from_utf8_lossy(&search.base)).unwrap_or_default();
        if whole && Some(base) == normal(&self.domain.dn()) {
            let (dn, dns) = (self.domain.dn(), &self.domain.dns);
            for zone in ["ForestDnsZones", "DomainDnsZones"] {
                out.extend(style.reference(message.id, &format!("ldap://{zone}.{dns}/DC={zone},{dn}")));
            }
            out.extend(style.reference(message.id, &format!("ldap://{dns}/CN=Configuration,{dn}")));
        }
        let scope = ["base", "one", "sub", "children"];
        let scope =
            usize::try_from(search.scope).ok().and_then(|n| scope.get(n)).copied().unwrap_or("unknown");
        let names = search.attributes.iter().take(SHOWN);
        let names: Vec<serde_json::Value> =
            names.map(|a| String::from_utf8_lossy(a).into_owned().into()).collect();
        session
            .record
            .event(Kind::Query, "search")
            .outcome(outcome.code == code::SUCCESS)
            .bytes("ldap.base", &search.base)
            .field("ldap.scope", scope)
            .bytes("ldap.filter", &search.filter.as_ref().map(Filter::text).unwrap_or_default())
            .field("ldap.attributes", names)
            .field("ldap.result_code", outcome.code)
            .field("ldap.entries", count)
            .emit();
        let paged = message.controls.iter().any(|c| c.oid == PAGED) && outcome.code == code::SUCCESS;
        out.extend(style.result(message.id, 0x65, &outcome, paged));
    }

    fn find(&self, state: &State, message: &Message, search: &Search) -> (Outcome, Vec<Entry>) {
        let none = |outcome| (outcome, Vec::new());
        let known = |oid: &[u8]| if self.windows { ad::supports(oid) } else { slapd::supports(oid) };
        if message.controls.iter().any(|c| c.critical && !known(&c.oid)) {
            return none(Outcome::new(
                code::CRITICAL_EXTENSION,
                if self.windows {
                    ad::error("00000057", "0C090A8F", "Error processing control", "0")
                } else {
                    "critical extension is not recognized".to_owned()
                },
            ));
        }
        if !(0..=3).contains(&search.scope) {
            return none(Outcome::new(code::PROTOCOL_ERROR, "invalid scope"));
        }
        let base = String::from_utf8_lossy(&search.base);
        let Some(key) = normal(&base) else {
            return none(if self.windows {
                self.directory_error(state, "00002081", &base)
            } else {
                Outcome::new(code::INVALID_DN, "invalid DN")
            });
        };
        let Some(filter) = &search.filter else {
            // A filter that is no filter fits nothing.
            return none(Outcome::default());
        };
        let now = jiff::Timestamp::now().as_second();
        if key.is_empty() {
            if search.scope != 0 {
                return none(match self.windows {
                    true if state.who.is_none() => self.unbound(),
                    true => Outcome::new(code::NO_SUCH_OBJECT, no_object("")),
                    false => Outcome::new(code::NO_SUCH_OBJECT, ""),
                });
            }
            let root = if self.windows {
                ad::root(&self.persona, &self.domain, now)
            } else {
                slapd::root(&self.domain, state.tls)
            };
            // Microsoft's root has no classes of its own, and fits "any class" all the same.
            let fits = self.windows || filter.fits(&root);
            return (Outcome::default(), if fits { vec![root] } else { Vec::new() });
        }
        if self.windows && state.who.is_none() {
            return none(self.unbound());
        }
        let directory = self.directory();
        if directory.get(&key).is_none() {
            if !self.windows && key == "cn=subschema" {
                let mut entry = Entry::new("cn=Subschema");
                entry.add("objectClass", &["top", "subentry", "subschema", "extensibleObject"]);
                entry.add("cn", &["Subschema"]);
                return (Outcome::default(), vec![entry]);
            }
            return none(self.missing(&base, directory.above(&key)));
        }
        let found = directory.within(&key, search.scope).filter(|e| filter.fits(e));
        (Outcome::default(), found.take(ENTRIES_MAX + 1).cloned().collect())
    }

    /// Nobody is told anything before a bind.
    fn unbound(&self) -> Outcome {
        let comment =
            "In order to perform this operation a successful bind must be completed on the connection.";
        Outcome::new(code::OPERATIONS_ERROR, ad::error("000004DC", "0C090A5C", comment, "0"))
    }

    fn directory_error(&self, state: &State, number: &str, name: &str) -> Outcome {
        if state.who.is_none() {
            return self.unbound();
        }
        let text = format!(
            "{number}: NameErr: DSID-03050F7F, problem 2006 (BAD_NAME), data 8350, best match of:\n\t'{name}'\n\0"
        );
        Outcome::new(code::INVALID_DN, text)
    }

    fn missing(&self, base: &str, above: Option<&Entry>) -> Outcome {
        let matched = above.map(|e| e.dn.clone()).unwrap_or_default();
        if !self.windows {
            return Outcome { matched: matched.into_bytes(), ..Outcome::new(code::NO_SUCH_OBJECT, "") };
        }
        if above.is_some() {
            let text = no_object(&matched);
            return Outcome { matched: matched.into_bytes(), ..Outcome::new(code::NO_SUCH_OBJECT, text) };
        }
        // Another domain: somebody else may know.
        let labels: Vec<&str> =
            base.split(',').filter_map(|p| p.trim().split_once('=')).map(|(_, value)| value).collect();
        let host = labels.join(".");
        let text = format!("0000202B: RefErr: DSID-03100835, data 0, 1 access points\n\tref 1: '{host}'\n\0");
        Outcome { referral: Some(format!("ldap://{host}/{base}")), ..Outcome::new(code::REFERRAL, text) }
    }

    /// Adding, changing, deleting, renaming: never.
    pub(super) fn change(&self, state: &State, answer: u8, attributes: usize) -> Outcome {
        if self.windows {
            if state.who.is_none() {
                return self.unbound();
            }
            let text = "00002098: SecErr: DSID-031514A0, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0";
            return Outcome::new(code::ACCESS, text);
        }
        if answer == 0x69 && attributes == 0 {
            return Outcome::new(code::PROTOCOL_ERROR, "no attributes provided");
        }
        match (&state.who, answer) {
            (None, _) => Outcome::new(code::STRONGER_AUTH, "modifications require authentication"),
            (_, 0x69) => Outcome::new(code::ACCESS, "no write access to parent"),
            _ => Outcome::new(code::ACCESS, ""),
        }
    }

    pub(super) fn compare(&self, state: &State, name: &[u8], attribute: &[u8], value: &[u8]) -> Outcome {
        if self.windows && state.who.is_none() {
            return self.unbound();
        }
        let name = String::from_utf8_lossy(name);
        let Some(key) = normal(&name) else { return Outcome::new(code::INVALID_DN, "invalid DN") };
        match self.directory().get(&key) {
            None => self.missing(&name, self.directory().above(&key)),
            Some(entry) if entry.holds(attribute, value) => Outcome::new(code::COMPARE_TRUE, ""),
            Some(_) => Outcome::new(code::COMPARE_FALSE, ""),
        }
    }

    pub(super) fn extended(&self, state: &State, oid: &[u8]) -> (Outcome, Next) {
        match oid {
            START_TLS if !state.tls => {
                let mut outcome = Outcome::default();
                if self.windows {
                    outcome.extra.push((0x8a, START_TLS.to_vec()));
                }
                (outcome, Next::StartTls)
            }
            START_TLS => {
                let text = if self.windows {
                    ad::error("00000000", "0C090F78", "TLS or SSL already in effect", "0")
                } else {
                    "TLS already started".to_owned()
                };
                (Outcome::new(code::OPERATIONS_ERROR, text), Next::Go)
            }
            WHO_AM_I => {
                let mut outcome = Outcome::default();
                let who = state.who.clone().unwrap_or_default();
                if self.windows {
                    outcome.extra.push((0x8a, WHO_AM_I.to_vec()));
                }
                outcome.extra.push((0x8b, who.into_bytes()));
                (outcome, Next::Go)
            }
            b"1.3.6.1.4.1.4203.1.11.1" if !self.windows => {
                let text = "only authenticated users may change passwords";
                (Outcome::new(code::STRONGER_AUTH, text), Next::Go)
            }
            _ => {
                let text = if self.windows {
                    ad::error("0000203D", "0C090D8E", "Unknown extended request OID", "0")
                } else {
                    "unsupported extended operation".to_owned()
                };
                (Outcome::new(code::PROTOCOL_ERROR, text), Next::Go)
            }
        }
    }
}

fn no_object(matched: &str) -> String {
    format!(
        "0000208D: NameErr: DSID-03100238, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'{matched}'\n\0"
    )
}
