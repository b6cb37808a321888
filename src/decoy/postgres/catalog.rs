//! System tables, and the application that the server holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::engine::{Engine, Role, Table};
use super::eval::Column;
use super::select::Rows;
use super::value::Type::{self, Bool, Char, Int4, Int8, Name, Oid, Text, Timestamp};
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
    vec!["postgres".to_owned(), application(seed), "template1".to_owned()]
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

fn rows(oid: u32, columns: &[(&str, Type)], rows: Vec<Vec<Value>>) -> Rows {
    let column = |(at, (name, kind)): (usize, &(&str, Type))| Column {
        alias: String::new(),
        name: (*name).to_owned(),
        kind: *kind,
        origin: (oid, i16::try_from(at + 1).unwrap_or(0)),
    };
    Rows { columns: columns.iter().enumerate().map(column).collect(), rows }
}

/// Schemas: number and name.
const SCHEMAS: &[(i64, &str)] =
    &[(11, "pg_catalog"), (99, "pg_toast"), (2200, "public"), (13_000, "information_schema")];

/// A system table; none when it is no such table.
pub(super) fn system(engine: &Engine<'_>, name: &str) -> Option<Rows> {
    let text = |t: &str| Value::text(t);
    let role_rows = |with: bool| -> Vec<Vec<Value>> {
        let row = |r: &Role| {
            let own = Value::Bool(r.superuser);
            let secret = match (&r.secret, with) {
                (Some(secret), true) => Value::text(secret.clone()),
                (None, true) => Value::Null,
                (_, false) => text("********"),
            };
            vec![
                Value::Int(r.oid),
                Value::text(r.name.clone()),
                own.clone(),
                Value::Bool(true),
                own.clone(),
                own.clone(),
                Value::Bool(true),
                own.clone(),
                own,
                Value::Int(-1),
                secret,
                Value::Null,
            ]
        };
        engine.roles.iter().map(row).collect()
    };
    const ROLES: &[(&str, Type)] = &[
        ("oid", Oid),
        ("rolname", Name),
        ("rolsuper", Bool),
        ("rolinherit", Bool),
        ("rolcreaterole", Bool),
        ("rolcreatedb", Bool),
        ("rolcanlogin", Bool),
        ("rolreplication", Bool),
        ("rolbypassrls", Bool),
        ("rolconnlimit", Int4),
        ("rolpassword", Text),
        ("rolvaliduntil", Timestamp),
    ];
    let user_rows = |with: bool| {
        let row = |r: &Role| {
            let own = Value::Bool(r.superuser);
            let secret = match (&r.secret, with) {
                (Some(secret), true) => Value::text(secret.clone()),
                (None, true) => Value::Null,
                (_, false) => text("********"),
            };
            vec![
                Value::text(r.name.clone()),
                Value::Int(r.oid),
                own.clone(),
                own.clone(),
                own.clone(),
                own,
                secret,
                Value::Null,
                Value::Null,
            ]
        };
        engine.roles.iter().map(row).collect::<Vec<_>>()
    };
    const USERS: &[(&str, Type)] = &[
        ("usename", Name),
        ("usesysid", Oid),
        ("usecreatedb", Bool),
        ("usesuper", Bool),
        ("userepl", Bool),
        ("usebypassrls", Bool),
        ("passwd", Text),
        ("valuntil", Timestamp),
        ("useconfig", Text),
    ];
    let relation_row = |t: &Table| {
        let columns = Value::Int(i64::try_from(t.columns.len()).unwrap_or(0));
        let count = Value::Int(i64::try_from(t.rows.len()).unwrap_or(0));
        vec![
            Value::Int(i64::from(t.oid)),
            Value::text(t.name.clone()),
            Value::Int(2200),
            Value::Int(10),
            text("r"),
            columns,
            count,
            Value::Int(2),
            text("p"),
            Value::Bool(false),
            Value::Null,
            Value::Int(0),
            Value::Bool(false),
        ]
    };
    let sizes = |word: &str| if word == "postgres" { 5 } else { 16_385 };
    Some(match name {
        "pg_database" => {
            let collate =
                if engine.context.product.windows { "English_United States.1252" } else { "C.UTF-8" };
            let own = text("{=c/postgres,postgres=CTc/postgres}");
            let row = |(name, template): (&str, bool)| {
                let acl = if template { own.clone() } else { Value::Null };
                let oid = match name {
                    "template1" => 1,
                    "template0" => 4,
                    other => sizes(other),
                };
                vec![
                    Value::Int(oid),
                    text(name),
                    Value::Int(10),
                    Value::Int(6),
                    text("c"),
                    Value::Bool(template),
                    Value::Bool(name != "template0"),
                    Value::Int(-1),
                    text(collate),
                    text(collate),
                    Value::Null,
                    Value::Null,
                    acl,
                    Value::Int(1663),
                ]
            };
            let mut list: Vec<Vec<Value>> =
                engine.databases.iter().map(|d| row((d, d.starts_with("template")))).collect();
            list.push(row(("template0", true)));
            rows(
                1262,
                &[
                    ("oid", Oid),
                    ("datname", Name),
                    ("datdba", Oid),
                    ("encoding", Int4),
                    ("datlocprovider", Char),
                    ("datistemplate", Bool),
                    ("datallowconn", Bool),
                    ("datconnlimit", Int4),
                    ("datcollate", Text),
                    ("datctype", Text),
                    ("daticulocale", Text),
                    ("datcollversion", Text),
                    ("datacl", Text),
                    ("dattablespace", Oid),
                ],
                list,
            )
        }
        "pg_roles" => rows(12_000, ROLES, role_rows(false)),
        "pg_authid" => rows(1260, ROLES, role_rows(true)),
        "pg_user" => rows(12_010, USERS, user_rows(false)),
        "pg_shadow" => rows(12_005, USERS, user_rows(true)),
        "pg_namespace" => {
            let row = |(oid, name): &(i64, &str)| {
                vec![
                    Value::Int(*oid),
                    text(name),
                    Value::Int(if *oid == 2200 { 6171 } else { 10 }),
                    Value::Null,
                ]
            };
            rows(
                2615,
                &[("oid", Oid), ("nspname", Name), ("nspowner", Oid), ("nspacl", Text)],
                SCHEMAS.iter().map(row).collect(),
            )
        }
        "pg_class" => rows(
            1259,
            &[
                ("oid", Oid),
                ("relname", Name),
                ("relnamespace", Oid),
                ("relowner", Oid),
                ("relkind", Char),
                ("relnatts", Int4),
                ("reltuples", Int4),
                ("relam", Oid),
                ("relpersistence", Char),
                ("relhasindex", Bool),
                ("relacl", Text),
                ("reltablespace", Oid),
                ("relispartition", Bool),
            ],
            engine.tables.iter().map(relation_row).collect(),
        ),
        "pg_tables" => {
            let row = |t: &Table| {
                vec![
                    text("public"),
                    Value::text(t.name.clone()),
                    text("postgres"),
                    Value::Null,
                    Value::Bool(false),
                    Value::Bool(false),
                    Value::Bool(false),
                    Value::Bool(false),
                ]
            };
            let system = [
                "pg_statistic",
                "pg_type",
                "pg_authid",
                "pg_class",
                "pg_database",
                "pg_proc",
                "pg_attribute",
            ];
            let own = |n: &str| {
                vec![
                    text("pg_catalog"),
                    text(n),
                    text("postgres"),
                    Value::Null,
                    Value::Bool(true),
                    Value::Bool(false),
                    Value::Bool(false),
                    Value::Bool(false),
                ]
            };
            rows(
                12_020,
                &[
                    ("schemaname", Name),
                    ("tablename", Name),
                    ("tableowner", Name),
                    ("tablespace", Name),
                    ("hasindexes", Bool),
                    ("hasrules", Bool),
                    ("hastriggers", Bool),
                    ("rowsecurity", Bool),
                ],
                engine.tables.iter().map(row).chain(system.into_iter().map(own)).collect(),
            )
        }
        "pg_stat_user_tables" => {
            let row = |t: &Table| {
                vec![
                    Value::Int(i64::from(t.oid)),
                    text("public"),
                    Value::text(t.name.clone()),
                    Value::Int(i64::try_from(t.rows.len()).unwrap_or(0)),
                ]
            };
            rows(
                12_030,
                &[("relid", Oid), ("schemaname", Name), ("relname", Name), ("n_live_tup", Int8)],
                engine.tables.iter().map(row).collect(),
            )
        }
        "pg_attribute" => {
            let mut list = Vec::new();
            for table in &engine.tables {
                for (at, (name, kind)) in table.columns.iter().enumerate() {
                    list.push(vec![
                        Value::Int(i64::from(table.oid)),
                        Value::text(name.clone()),
                        Value::Int(i64::from(kind.wire().0)),
                        Value::Int(i64::try_from(at + 1).unwrap_or(0)),
                        Value::Bool(false),
                        Value::Bool(false),
                        Value::Bool(false),
                        Value::Int(-1),
                        text(""),
                        text(""),
                        Value::Int(0),
                    ]);
                }
            }
            rows(
                1249,
                &[
                    ("attrelid", Oid),
                    ("attname", Name),
                    ("atttypid", Oid),
                    ("attnum", Int4),
                    ("attnotnull", Bool),
                    ("atthasdef", Bool),
                    ("attisdropped", Bool),
                    ("atttypmod", Int4),
                    ("attidentity", Char),
                    ("attgenerated", Char),
                    ("attcollation", Oid),
                ],
                list,
            )
        }
        "tables" => {
            let row = |t: &Table| {
                vec![
                    Value::text(engine.context.database.clone()),
                    text("public"),
                    Value::text(t.name.clone()),
                    text("BASE TABLE"),
                ]
            };
            rows(
                13_100,
                &[
                    ("table_catalog", Name),
                    ("table_schema", Name),
                    ("table_name", Name),
                    ("table_type", Text),
                ],
                engine.tables.iter().map(row).collect(),
            )
        }
        "columns" => {
            let mut list = Vec::new();
            for table in &engine.tables {
                for (at, (name, kind)) in table.columns.iter().enumerate() {
                    let word = match kind {
                        Int4 => "integer",
                        Bool => "boolean",
                        Timestamp => "timestamp with time zone",
                        Type::Numeric => "numeric",
                        _ => "text",
                    };
                    list.push(vec![
                        Value::text(engine.context.database.clone()),
                        text("public"),
                        Value::text(table.name.clone()),
                        Value::text(name.clone()),
                        Value::Int(i64::try_from(at + 1).unwrap_or(0)),
                        text(word),
                    ]);
                }
            }
            rows(
                13_110,
                &[
                    ("table_catalog", Name),
                    ("table_schema", Name),
                    ("table_name", Name),
                    ("column_name", Name),
                    ("ordinal_position", Int4),
                    ("data_type", Text),
                ],
                list,
            )
        }
        "schemata" => {
            let row = |(_, name): &(i64, &str)| {
                vec![Value::text(engine.context.database.clone()), text(name), text("postgres")]
            };
            rows(
                13_120,
                &[("catalog_name", Name), ("schema_name", Name), ("schema_owner", Name)],
                SCHEMAS.iter().map(row).collect(),
            )
        }
        "pg_settings" => {
            let list = engine.parameters().into_iter().map(|(name, value)| {
                vec![
                    Value::text(name.clone()),
                    Value::text(value.clone()),
                    Value::Null,
                    text("user"),
                    text("default"),
                    Value::text(value),
                    text(""),
                ]
            });
            rows(
                12_104,
                &[
                    ("name", Text),
                    ("setting", Text),
                    ("unit", Text),
                    ("context", Text),
                    ("source", Text),
                    ("reset_val", Text),
                    ("short_desc", Text),
                ],
                list.collect(),
            )
        }
        "pg_tablespace" => {
            let row = |(oid, name): (i64, &str)| {
                vec![Value::Int(oid), text(name), Value::Int(10), Value::Null, Value::Null]
            };
            rows(
                1213,
                &[("oid", Oid), ("spcname", Name), ("spcowner", Oid), ("spcacl", Text), ("spcoptions", Text)],
                [(1663, "pg_default"), (1664, "pg_global")].map(row).to_vec(),
            )
        }
        "pg_extension" => rows(
            3079,
            &[
                ("oid", Oid),
                ("extname", Name),
                ("extowner", Oid),
                ("extnamespace", Oid),
                ("extversion", Text),
            ],
            engine
                .extensions
                .iter()
                .enumerate()
                .map(|(at, name)| {
                    vec![
                        Value::Int(13_558 + i64::try_from(at).unwrap_or(0)),
                        Value::text(name.clone()),
                        Value::Int(10),
                        Value::Int(11),
                        text("1.0"),
                    ]
                })
                .collect(),
        ),
        "pg_available_extensions" => {
            let row = |name: &str| {
                vec![
                    text(name),
                    text("1.0"),
                    if name == "plpgsql" { text("1.0") } else { Value::Null },
                    text(""),
                ]
            };
            rows(
                12_150,
                &[("name", Name), ("default_version", Text), ("installed_version", Text), ("comment", Text)],
                EXTENSIONS.iter().map(|n| row(n)).collect(),
            )
        }
        "pg_language" => {
            let row = |(oid, name, trusted): (i64, &str, bool)| {
                vec![
                    Value::Int(oid),
                    text(name),
                    Value::Int(10),
                    Value::Bool(name == "plpgsql"),
                    Value::Bool(trusted),
                ]
            };
            rows(
                2612,
                &[
                    ("oid", Oid),
                    ("lanname", Name),
                    ("lanowner", Oid),
                    ("lanispl", Bool),
                    ("lanpltrusted", Bool),
                ],
                [(12, "internal", false), (13, "c", false), (14, "sql", true), (13_568, "plpgsql", true)]
                    .map(row)
                    .to_vec(),
            )
        }
        "pg_am" => rows(
            2601,
            &[("oid", Oid), ("amname", Name), ("amtype", Char)],
            vec![
                vec![Value::Int(2), text("heap"), text("t")],
                vec![Value::Int(403), text("btree"), text("i")],
            ],
        ),
        "pg_stat_activity" => {
            let peer = engine.context.peer;
            let row = vec![
                Value::Int(sizes(&engine.context.database)),
                Value::text(engine.context.database.clone()),
                Value::Int(i64::from(engine.context.pid)),
                Value::text(engine.context.user.clone()),
                Value::text(engine.context.application.clone()),
                Value::Text(peer.ip().to_string()),
                Value::Int(i64::from(peer.port())),
                text("active"),
                Value::text(engine.statement.clone()),
                text("client backend"),
                Value::text(engine.now()),
            ];
            rows(
                12_200,
                &[
                    ("datid", Oid),
                    ("datname", Name),
                    ("pid", Int4),
                    ("usename", Name),
                    ("application_name", Text),
                    ("client_addr", Type::Inet),
                    ("client_port", Int4),
                    ("state", Text),
                    ("query", Text),
                    ("backend_type", Text),
                    ("query_start", Timestamp),
                ],
                vec![row],
            )
        }
        "pg_auth_members" => rows(
            1261,
            &[
                ("oid", Oid),
                ("roleid", Oid),
                ("member", Oid),
                ("grantor", Oid),
                ("admin_option", Bool),
                ("inherit_option", Bool),
                ("set_option", Bool),
            ],
            Vec::new(),
        ),
        "pg_proc" => rows(
            1255,
            &[
                ("oid", Oid),
                ("proname", Name),
                ("pronamespace", Oid),
                ("proowner", Oid),
                ("prolang", Oid),
                ("prokind", Char),
                ("prosrc", Text),
                ("probin", Text),
            ],
            Vec::new(),
        ),
        "pg_description" | "pg_shdescription" => rows(
            2609,
            &[("objoid", Oid), ("classoid", Oid), ("objsubid", Int4), ("description", Text)],
            Vec::new(),
        ),
        "pg_largeobject_metadata" => {
            let row = |oid: &i64| vec![Value::Int(*oid), Value::Int(10), Value::Null];
            rows(
                2995,
                &[("oid", Oid), ("lomowner", Oid), ("lomacl", Text)],
                engine.objects.keys().map(row).collect(),
            )
        }
        "pg_largeobject" => {
            let row = |(oid, data): (&i64, &Vec<u8>)| {
                vec![Value::Int(*oid), Value::Int(0), Value::Text(format!("\\x{}", hex::encode(data)))]
            };
            rows(
                2613,
                &[("loid", Oid), ("pageno", Int4), ("data", Type::Bytea)],
                engine.objects.iter().map(row).collect(),
            )
        }
        "pg_index"
        | "pg_constraint"
        | "pg_inherits"
        | "pg_trigger"
        | "pg_rewrite"
        | "pg_policy"
        | "pg_statistic_ext"
        | "pg_publication"
        | "pg_attrdef"
        | "pg_collation"
        | "pg_stat_replication"
        | "pg_replication_slots"
        | "pg_views"
        | "pg_matviews"
        | "pg_indexes"
        | "pg_sequences"
        | "pg_foreign_server"
        | "pg_db_role_setting" => rows(
            2610,
            &[
                ("oid", Oid),
                ("indexrelid", Oid),
                ("indrelid", Oid),
                ("conrelid", Oid),
                ("schemaname", Name),
                ("viewname", Name),
                ("tablename", Name),
                ("indexname", Name),
                ("pid", Int4),
            ],
            Vec::new(),
        ),
        "pg_type" => {
            let row = |kind: Type, name: &str| {
                vec![
                    Value::Int(i64::from(kind.wire().0)),
                    text(name),
                    Value::Int(11),
                    Value::Int(i64::from(kind.wire().1)),
                    text("b"),
                    Value::Int(0),
                    Value::Int(0),
                    text(","),
                ]
            };
            rows(
                1247,
                &[
                    ("oid", Oid),
                    ("typname", Name),
                    ("typnamespace", Oid),
                    ("typlen", Int4),
                    ("typtype", Char),
                    ("typrelid", Oid),
                    ("typelem", Oid),
                    ("typdelim", Char),
                ],
                [
                    (Bool, "bool"),
                    (Type::Bytea, "bytea"),
                    (Name, "name"),
                    (Int8, "int8"),
                    (Int4, "int4"),
                    (Text, "text"),
                    (Oid, "oid"),
                    (Type::Float8, "float8"),
                    (Timestamp, "timestamptz"),
                    (Type::Numeric, "numeric"),
                ]
                .map(|(k, n)| row(k, n))
                .to_vec(),
            )
        }
        _ => return None,
    })
}

/// Extensions that the packages bring.
pub(super) const EXTENSIONS: &[&str] = &[
    "plpgsql",
    "adminpack",
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dblink",
    "dict_int",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "pageinspect",
    "pg_buffercache",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_trgm",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "postgres_fdw",
    "refint",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "unaccent",
    "uuid-ossp",
    "xml2",
];
