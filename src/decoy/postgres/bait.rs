//! What the server holds: roles, and a small application drawn from the seed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::engine::{Role, Table};
use super::value::Type::{self, Bool, Int4, Text, Timestamp};
use super::value::Value;
use crate::decoy::scram::Hash;
use crate::model::Seed;

const FIRST: &[&str] =
    &["anna", "martin", "julia", "peter", "sofia", "david", "laura", "thomas", "nina", "paul", "eva", "karl"];
const LAST: &[&str] =
    &["koch", "meyer", "novak", "silva", "berg", "weber", "rossi", "dubois", "larsen", "moreau"];

/// The application's name, which is that of its database and of its role.
fn application(seed: &Seed) -> String {
    let names = ["shop", "crm", "billing", "inventory", "webapp", "tickets", "hr", "analytics"];
    seed.pick("postgres/app", &names).copied().unwrap_or("shop").to_owned()
}

/// Databases that can be connected to.
pub(super) fn databases(seed: &Seed) -> Vec<String> {
    vec!["postgres".to_owned(), "template1".to_owned(), application(seed)]
}

/// Roles; the first one owns everything, and `secret` is the password of the account that gets in.
pub(super) fn roles(seed: &Seed, account: Option<(&str, &str)>, scram: bool) -> Vec<Role> {
    let verifier = |name: &str, password: &str| {
        if !scram {
            return format!("md5{}", hex::encode(md5::compute(format!("{password}{name}")).0));
        }
        let salt = seed.derive(&format!("postgres/salt/{name}"));
        let salt = salt.get(..16).unwrap_or_default();
        let (stored, server) = Hash::Sha256.keys(password.as_bytes(), salt, 4096);
        let [salt, stored, server] = [salt, &stored, &server].map(|part| STANDARD.encode(part));
        format!("SCRAM-SHA-256$4096:{salt}${stored}:{server}")
    };
    let own = hex::encode(seed.derive("postgres/app/password"));
    let app = application(seed);
    let mut roles = vec![Role { oid: 10, name: "postgres".into(), superuser: true, secret: None }];
    let secret = verifier(&app, own.get(..12).unwrap_or_default());
    roles.push(Role { oid: 16_384, name: app, superuser: false, secret: Some(secret) });
    if let Some((name, password)) = account {
        let secret = Some(verifier(name, password));
        match roles.iter_mut().find(|r| r.name == name) {
            Some(role) => role.secret = secret,
            None => roles.push(Role { oid: 16_390, name: name.to_owned(), superuser: true, secret }),
        }
    }
    roles
}

/// The tables of a database when a session begins.
pub(super) fn tables(seed: &Seed, database: &str, born: i64) -> Vec<Table> {
    let app = application(seed);
    if database != app {
        return Vec::new();
    }
    let number = |label: &str, bound: u64| seed.number(label, bound);
    let word =
        |label: &str, words: &'static [&'static str]| seed.pick(label, words).copied().unwrap_or_default();
    let date = |label: &str| {
        let at = born.saturating_add(i64::try_from(number(label, 40 * 86_400)).unwrap_or(0));
        let shown = jiff::Timestamp::from_second(at).map(|t| t.to_string()).unwrap_or_default();
        Value::Text(shown.replace('T', " ").replace('Z', "+00"))
    };
    let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(0));
    let users = (1..=8 + number("postgres/users", 20))
        .map(|n| {
            let label = format!("postgres/user/{n}");
            let (first, last) =
                (word(&format!("{label}/first"), FIRST), word(&format!("{label}/last"), LAST));
            let login = if n == 1 { "admin".to_owned() } else { format!("{first}.{last}") };
            let drawn = [seed.derive(&label), seed.derive(&format!("{label}/salt"))].concat();
            let hash = STANDARD.encode(drawn).replace('+', ".");
            vec![
                int(n),
                Value::text(login.clone()),
                Value::Text(format!("{login}@{app}.local")),
                Value::Text(format!("$2b$12${}", hash.get(..53).unwrap_or_default())),
                Value::Bool(n == 1),
                date(&label),
            ]
        })
        .collect();
    let orders = (0..10 + number("postgres/orders", 40))
        .map(|n| {
            let label = format!("postgres/order/{n}");
            vec![
                int(1000 + number("postgres/base", 30_000) + n),
                int(1 + number(&format!("{label}/user"), 8)),
                Value::Text(format!(
                    "{}.{:02}",
                    5 + number(&label, 900),
                    number(&format!("{label}/cent"), 100)
                )),
                Value::text(word(&format!("{label}/status"), &["paid", "shipped", "open", "refunded"])),
                date(&label),
            ]
        })
        .collect();
    let key = hex::encode(seed.derive("postgres/key"));
    let keys = vec![vec![
        Value::Int(1),
        Value::text("payment gateway"),
        Value::Text(format!("sk_live_{}", key.get(..24).unwrap_or_default())),
        Value::Bool(true),
    ]];
    let table = |oid: u32, name: &str, columns: &[(&str, Type)], rows: Vec<Vec<Value>>| Table {
        oid,
        name: name.to_owned(),
        columns: columns.iter().map(|(n, t)| ((*n).to_owned(), *t)).collect(),
        rows,
    };
    vec![
        table(16_402, "api_keys", &[("id", Int4), ("name", Text), ("key", Text), ("active", Bool)], keys),
        table(
            16_408,
            "orders",
            &[
                ("id", Int4),
                ("user_id", Int4),
                ("total", Type::Numeric),
                ("status", Text),
                ("created_at", Timestamp),
            ],
            orders,
        ),
        table(
            16_393,
            "users",
            &[
                ("id", Int4),
                ("username", Text),
                ("email", Text),
                ("password_hash", Text),
                ("is_admin", Bool),
                ("created_at", Timestamp),
            ],
            users,
        ),
    ]
}
