//! The mails that wait for whoever gets in: a small office's, written for this machine alone.
//!
//! Names, secrets and times derive from the seed; all of it happened after the machine was set up.

use crate::decoy::vfs::distro::{Family, distro};
use crate::model::Persona;

/// A mail before it has its bytes.
pub(super) struct Letter {
    pub(super) folder: &'static str,
    pub(super) time: i64,
    pub(super) seen: bool,
    pub(super) flagged: bool,
    pub(super) bytes: Vec<u8>,
}

const DAY: i64 = 86_400;
const FIRST: [&str; 8] = ["Martin", "Judith", "Stefan", "Claire", "Robert", "Ines", "Tomas", "Laura"];
const LAST: [&str; 8] = ["Keller", "Novak", "Brandt", "Fischer", "Moreau", "Lindqvist", "Hughes", "Ferrara"];
/// Weekly reports kept: the oldest are thrown away.
const REPORTS: i64 = 12;

/// The `Date:` form of a time.
pub(super) fn date(time: i64) -> String {
    jiff::Timestamp::from_second(time).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

struct Office<'a> {
    persona: &'a Persona,
    host: &'a str,
    /// Two people: name, login.
    people: [(String, String); 2],
}

impl<'a> Office<'a> {
    fn new(persona: &'a Persona) -> Self {
        let name = |n: u64| {
            // The two halves of a list each, so that no two people share a name.
            let pick = |label: &str, list: &[&'static str; 8]| {
                let at = persona.seed.number(&format!("mail/{label}/{n}"), 4) + n * 4;
                list.get(usize::try_from(at).unwrap_or(0)).copied().unwrap_or("Alex")
            };
            let (first, last) = (pick("first", &FIRST), pick("last", &LAST));
            let login = first.chars().take(1).chain(last.chars()).collect::<String>().to_ascii_lowercase();
            (format!("{first} {last}"), login)
        };
        Self { persona, host: &persona.hostname, people: [name(0), name(1)] }
    }

    /// A secret that somebody thought up.
    fn password(&self, label: &str) -> String {
        let pick = |part: &str, list: &[&'static str]| {
            self.persona.seed.pick(&format!("mail/{label}/{part}"), list).copied().unwrap_or("Harbour")
        };
        let word = pick(
            "word",
            &["Harbour", "Lantern", "Granite", "Saffron", "Meadow", "Copper", "Juniper", "Falcon"],
        );
        let end = pick("end", &["!", "#", "?", "$", "+"]);
        format!("{word}{}{end}", self.persona.seed.number(&format!("mail/{label}/digits"), 9000) + 1000)
    }

    fn token(&self, label: &str, bytes: usize) -> String {
        hex::encode(self.persona.seed.derive(&format!("mail/{label}")).get(..bytes).unwrap_or_default())
    }

    fn id(&self, label: &str, time: i64) -> String {
        let stamp = jiff::Timestamp::from_second(time).unwrap_or_default().strftime("%Y%m%d%H%M%S");
        format!("<{stamp}.{}@{}>", self.token(&format!("id/{label}"), 5).to_ascii_uppercase(), self.host)
    }

    /// Time of a mail: on that day after the set-up, within working hours.
    fn time(&self, day: i64, label: &str) -> i64 {
        let midnight = self.persona.born - self.persona.born.rem_euclid(DAY) + day * DAY;
        let second =
            i64::try_from(self.persona.seed.number(&format!("mail/time/{label}"), 9 * 3600)).unwrap_or(0);
        // 1970 began on a Thursday; nobody writes on Sundays.
        let sunday = (midnight / DAY + 4).rem_euclid(7) == 0;
        midnight + 8 * 3600 + second + if sunday { DAY } else { 0 }
    }

    fn letter(
        &self,
        folder: &'static str,
        day: i64,
        from: usize,
        to: &str,
        subject: &str,
        body: &str,
    ) -> Letter {
        let time = self.time(day, subject);
        let (name, login) = self.people.get(from).unwrap_or(&self.people[0]);
        let head = format!(
            "Date: {}\nFrom: {name} <{login}@{host}>\nTo: {to}\nSubject: {subject}\nMessage-ID: {}\nMIME-Version: 1.0\n\
             Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n",
            date(time),
            self.id(subject, time),
            host = self.host,
        );
        self.finish(folder, time, login, &head, body)
    }

    fn finish(&self, folder: &'static str, time: i64, login: &str, head: &str, body: &str) -> Letter {
        let delivered = folder == "INBOX";
        let queue = self.token(&format!("queue/{time}"), 5).to_ascii_uppercase();
        let received = if delivered {
            format!(
                "Return-Path: <{login}@{host}>\nX-Original-To: admin@{host}\nDelivered-To: admin@{host}\n\
                 Received: by {host} (Postfix, from userid {uid})\n\tid {queue}; {}\n",
                date(time),
                host = self.host,
                uid = if login == "root" { 0 } else { 1001 },
            )
        } else {
            String::new()
        };
        let text = format!("{received}{head}\n{body}").replace('\n', "\r\n");
        Letter { folder, time, seen: true, flagged: false, bytes: text.into_bytes() }
    }
}

/// All of them as of `now`, the oldest first.
pub(super) fn letters(persona: &Persona, now: i64) -> Vec<Letter> {
    let office = Office::new(persona);
    let host = office.host;
    let me = format!("admin@{host}");
    let (a, b) = (office.people[0].0.as_str(), office.people[1].0.as_str());
    let (a_login, b_login) = (office.people[0].1.as_str(), office.people[1].1.as_str());
    let short = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
    let (first_a, first_b) = (short(a), short(b));
    let ip = persona.ip;
    let [o1, o2, o3, _] = ip.octets();
    let peer = |label: &str| {
        format!("{o1}.{o2}.{o3}.{}", persona.seed.number(&format!("mail/peer/{label}"), 200) + 30)
    };
    let mut out = vec![
        office.letter("INBOX", 1, 0, &me, "new server is up", &format!(
            "Hi,\n\n{host} is racked and answers on {ip}. Mail, shares and the nightly jobs go there from Monday on.\n\
             Root still has the installer's password, please change it when you take over:\n\n    {}\n\nThanks\n{first_a}\n",
            office.password("root"))),
        office.letter("INBOX", 2, 1, &me, "database logins for the intranet", &format!(
            "The intranet wants these two accounts, as discussed. Please do not put them in the wiki.\n\n\
             host  {}\napp   intranet / {}\nadmin dba / {}\n\nRead-only reporting follows next week.\n\n-- \n{b}\n",
            peer("db"), office.password("app"), office.password("dba"))),
        office.letter("INBOX", 3, 0, &me, "VPN for home office", &format!(
            "Your profile is ready. Import the file from the share (it/vpn/{}.ovpn), user name as on the desktop,\n\
             initial password {}\n\nSecond factor comes with the new firewall, until then please keep it to yourself.\n{first_a}\n",
            a_login, office.password("vpn"))),
        attached(&office, 4, &me),
        office.letter("INBOX", 6, 1, &me, "Re: backup target", &format!(
            "The NAS is at {}, share backup$. Use the service account:\n\n  svc_backup\n  {}\n\n\
             It may write to the share only, but the old one is still in Domain Admins. I will clean that up.\n\n{first_b}\n",
            peer("nas"), office.password("nas"))),
        office.letter("INBOX", 7, 0, &me, "router and switches", &format!(
            "Carrier was here. Management of the router is on https://{}:8443 from inside, admin / {}\nThe switches kept\n\
             the community string, it is in the monitoring too.\n\n{first_a}\n",
            peer("router"), office.password("router"))),
        office.letter("INBOX", 9, 1, &me, "API key for the shipping portal", &format!(
            "They finally sent a key for the live account:\n\n  key id  {}\n  secret  {}\n\n\
             Limits are 600 calls an hour. The test key stays valid until the end of the quarter.\n\n{first_b}\n",
            office.token("key-id", 6), office.token("key-secret", 20))),
        office.letter("INBOX", 11, 0, &format!("{me}, {b_login}@{host}"), "maintenance on Saturday", &format!(
            "Power is cut from 7 to 11 on Saturday. {host} and the file server go down at half past six. Who has the\n\
             console password besides me? I reset it to {} for the day.\n\n{first_a}\n",
            office.password("console"))),
        office.letter("INBOX", 13, 1, &me, "payroll export", &format!(
            "The export lands in /srv/payroll every 25th as a zip; the password is the same for all months: {}\n\
             Only the two of us and the tax office should have it.\n\n{first_b}\n",
            office.password("payroll"))),
        office.letter("INBOX", 16, 0, &me, "ssh keys of leavers", &format!(
            "Please take the keys of the two contractors out of authorized_keys on {host} and on {}. Password logins may\n\
             stay on for the time being, the scanner in the warehouse cannot do anything else.\n\n{first_a}\n",
            peer("files"))),
        office.letter("Sent", 2, 1, &format!("{a_login}@{host}"), "Re: new server is up", &format!(
            "Works from here. I set the same password for the web admin, we will sort it out later.\n\n> Root still has the\n\
             > installer's password\n\n{first_b}\n")),
        office.letter("Drafts", 14, 1, &me, "list for the safe", &format!(
            "root {host}: {}\nwifi office: {}\nwifi guests: {}\nalarm: {}\n",
            office.password("root-now"), office.password("wifi"), office.password("guests"),
            persona.seed.number("mail/alarm", 9000) + 1000)),
    ];
    for letter in &mut out {
        letter.flagged =
            letter.folder == "INBOX" && letter.time == office.time(2, "database logins for the intranet");
    }
    out.retain(|letter| letter.time < now);
    out.extend(reports(&office, now));
    out.sort_by_key(|letter| letter.time);
    out
}

/// A mail with a file.
fn attached(office: &Office<'_>, day: i64, to: &str) -> Letter {
    let subject = "inventory";
    let time = office.time(day, subject);
    let (name, login) = &office.people[1];
    let boundary = format!("=-{}", office.token("boundary", 10));
    let mut list = String::from("host;address;user;password\n");
    for label in ["printer-1", "camera-yard", "ups-rack", "timeclock"] {
        let [a, b, c, _] = office.persona.ip.octets();
        let d = office.persona.seed.number(&format!("mail/inventory/{label}"), 200) + 30;
        list.push_str(&format!("{label};{a}.{b}.{c}.{d};admin;{}\n", office.password(label)));
    }
    let encoded = super::sasl::encode(list.replace('\n', "\r\n").as_bytes());
    let mut wrapped = String::new();
    for (n, c) in encoded.chars().enumerate() {
        if n > 0 && n % 76 == 0 {
            wrapped.push('\n');
        }
        wrapped.push(c);
    }
    let head = format!(
        "Date: {}\nFrom: {name} <{login}@{host}>\nTo: {to}\nSubject: {subject}\nMessage-ID: {}\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=\"{boundary}\"\n",
        date(time),
        office.id(subject, time),
        host = office.host,
    );
    let body = format!(
        "--{boundary}\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\n\
         The small things nobody feels responsible for. Please check whether they are all in the monitoring.\n\n\
         --{boundary}\nContent-Type: text/csv; name=\"devices.csv\"\nContent-Disposition: attachment; filename=\"devices.csv\"\n\
         Content-Transfer-Encoding: base64\n\n{wrapped}\n--{boundary}--\n"
    );
    office.finish("INBOX", time, login, &head, &body)
}

/// What cron writes every week, the last few of them.
fn reports(office: &Office<'_>, now: i64) -> Vec<Letter> {
    let host = office.host;
    let start = office.persona.born - office.persona.born.rem_euclid(DAY) + 5 * DAY;
    let minute = i64::try_from(office.persona.seed.number("mail/report/minute", 300)).unwrap_or(0);
    let weeks = now.saturating_sub(start).max(0) / (7 * DAY);
    let updates = match distro(&office.persona.distro).family {
        Family::Debian => "apt",
        Family::RedHat => "yum",
        Family::Alpine => "apk",
        Family::Arch => "pacman",
    };
    let one = |week: i64| {
        let time = start + week * 7 * DAY + 3600 + minute * 60;
        let number = |label: &str, bound: u64| {
            office.persona.seed.number(&format!("mail/report/{week}/{label}"), bound)
        };
        let subject = format!("Cron <root@{host}> /usr/local/sbin/weekly-report");
        let head = format!(
            "From: root@{host} (Cron Daemon)\nTo: root@{host}\nSubject: {subject}\nMIME-Version: 1.0\n\
             Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\
             X-Cron-Env: <SHELL=/bin/sh>\nX-Cron-Env: <HOME=/root>\nX-Cron-Env: <LOGNAME=root>\nMessage-Id: {}\nDate: {}\n",
            office.id(&format!("report/{week}"), time),
            date(time),
        );
        let body = format!(
            "backup: {} files, {}.{} GiB, {} errors\nroot file system: {} % used\n{updates}: {} updates pending\n\
             failed logins since the last report: {}\n",
            40_000 + number("files", 3000),
            11 + number("gib", 3),
            number("tenth", 10),
            number("errors", 2),
            31 + number("disk", 12),
            number("updates", 40),
            number("logins", 900),
        );
        let mut letter = office.finish("INBOX", time, "root", &head, &body);
        letter.seen = week + 2 < weeks;
        letter
    };
    ((weeks - REPORTS).max(0)..weeks).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn all_lie_between_birth_and_now_and_name_the_host_alone() {
        let persona = persona(&["imap"]);
        let now = persona.born + 200 * DAY;
        let letters = letters(&persona, now);
        assert!(letters.iter().filter(|l| l.folder == "INBOX").count() >= 20);
        for letter in &letters {
            assert!(letter.time > persona.born && letter.time < now);
            let text = String::from_utf8(letter.bytes.clone()).unwrap();
            assert!(text.contains("files02") && text.contains(&date(letter.time)), "{text}");
            assert!(text.is_ascii() && text.lines().all(|l| l.len() < 160), "{text}");
            assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        }
        assert_eq!(letters.len(), super::letters(&persona, now).len());
    }

    #[test]
    fn two_machines_share_no_secret() {
        let one = persona(&[]);
        let mut other = one.clone();
        other.seed = crate::model::Seed::new([9; 32]);
        assert_ne!(Office::new(&one).password("root"), Office::new(&other).password("root"));
    }
}
