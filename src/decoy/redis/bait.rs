//! The keys a machine's Redis holds when its worker starts: what a small web application leaves there.

use super::keyspace::{Entry, Keyspace, Value};
use crate::model::Seed;

const NAMES: &[&str] =
    &["anna", "mkoch", "j.meyer", "sofia", "dlevine", "ops", "pavel", "t.nguyen", "laura", "marc"];

fn hex(seed: &Seed, label: &str, digits: usize) -> String {
    hex::encode(seed.derive(label)).get(..digits).unwrap_or_default().to_owned()
}

fn text(body: String) -> Value {
    Value::Text(body.into_bytes())
}

fn pairs(fields: &[(&str, String)]) -> Value {
    Value::Hash(fields.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.clone().into_bytes())).collect())
}

/// Fills the first database; `now` in milliseconds since 1970.
pub(super) fn fill(keys: &mut Keyspace, seed: &Seed, now: i64) {
    let app = seed
        .pick("redis/app", &["laravel_database", "shop", "portal", "crm", "wiki"])
        .copied()
        .unwrap_or("shop");
    let mut put = |key: String, value: Value, ttl: Option<u64>| {
        let expires = ttl.map(|s| now.saturating_add(i64::try_from(s).unwrap_or(60).saturating_mul(1000)));
        // Far below every bound of the keyspace.
        let _ = keys.put(0, key.as_bytes(), Entry { value, expires });
    };
    let sessions = 4 + seed.number("redis/sessions", 9);
    for n in 0..sessions {
        let label = format!("redis/session/{n}");
        let user = seed.pick(&label, NAMES).copied().unwrap_or("anna");
        let uid = 100 + seed.number(&format!("{label}/uid"), 900);
        let last = now / 1000 - i64::try_from(seed.number(&format!("{label}/age"), 5000)).unwrap_or(0);
        let body = format!(
            r#"{{"user_id":{uid},"username":"{user}","csrf":"{}","last_activity":{last}}}"#,
            hex(seed, &format!("{label}/csrf"), 32)
        );
        let ttl = 600 + seed.number(&format!("{label}/ttl"), 6600);
        put(format!("{app}:session:{}", hex(seed, &label, 32)), text(body), Some(ttl));
    }
    for n in 0..3 + seed.number("redis/users", 5) {
        let label = format!("redis/user/{n}");
        let user = seed.pick(&label, NAMES).copied().unwrap_or("anna");
        let uid = 100 + seed.number(&format!("{label}/uid"), 900);
        let fields = [
            ("id", uid.to_string()),
            ("login", user.to_owned()),
            ("email", format!("{user}@{app}.local")),
            ("role", if n == 0 { "admin" } else { "user" }.to_owned()),
            ("password_hash", format!("sha256${}", hex(seed, &format!("{label}/hash"), 64))),
        ];
        put(format!("{app}:cache:user:{uid}"), pairs(&fields), Some(300 + seed.number(&label, 3000)));
    }
    let settings = [
        ("maintenance", "0".to_owned()),
        ("release", format!("{}.{}.{}", 2, seed.number("redis/minor", 14), seed.number("redis/patch", 9))),
        ("smtp_host", "mail.internal".to_owned()),
        ("db_host", "127.0.0.1".to_owned()),
    ];
    put(format!("{app}:settings"), pairs(&settings), None);
    let jobs = 1 + seed.number("redis/jobs", 4);
    let queue = (0..jobs).map(|n| {
        let id = hex(seed, &format!("redis/job/{n}"), 24);
        format!(r#"{{"class":"SendInvoiceMail","jid":"{id}","args":[{}],"retry":true}}"#, 5000 + n)
            .into_bytes()
    });
    put(format!("{app}:queue:default"), Value::List(queue.collect()), None);
    put(
        format!("{app}:stats:pageviews"),
        text((20_000 + seed.number("redis/views", 900_000)).to_string()),
        None,
    );
    let online = NAMES.iter().take(2 + usize::try_from(seed.number("redis/online", 4)).unwrap_or(0));
    put(format!("{app}:online"), Value::Set(online.map(|n| n.as_bytes().to_vec()).collect()), None);
}
