//! System tables.

use super::engine::{Engine, Role, Table};
use super::eval::{ANY, Column};
use super::select::Rows;
use super::value::Type::{self, Bool, Int4, Int8, Name, Oid, Text, Timestamp};
use super::value::Value;

/// Rows of a system table; its columns as `name:type`, the type a letter. What else is asked for is NULL.
fn rows(oid: u32, columns: &str, mut rows: Vec<Vec<Value>>) -> Rows {
    let kind = |letter: &str| match letter {
        "a" => Type::Inet,
        "b" => Bool,
        "c" => Type::Char,
        "i" => Int4,
        "l" => Int8,
        "n" => Name,
        "o" => Oid,
        "y" => Type::Bytea,
        "z" => Timestamp,
        _ => Text,
    };
    let named = columns.split_whitespace().filter_map(|c| c.split_once(':'));
    let column = |(at, (name, letter)): (usize, (&str, &str))| Column {
        alias: String::new(),
        name: name.to_owned(),
        kind: kind(letter),
        origin: (oid, i16::try_from(at + 1).unwrap_or(0)),
    };
    let columns: Vec<Column> = named.chain([(ANY, "t")]).enumerate().map(column).collect();
    for row in &mut rows {
        row.resize(columns.len(), Value::Null);
    }
    Rows { columns, rows }
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
    const ROLES: &str = "oid:o rolname:n rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b \
                 rolcanlogin:b rolreplication:b rolbypassrls:b rolconnlimit:i rolpassword:t \
                 rolvaliduntil:z";
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
    const USERS: &str = "usename:n usesysid:o usecreatedb:b usesuper:b userepl:b usebypassrls:b passwd:t valuntil:z useconfig:t";
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
            Value::Int(0),
            Value::Bool(false),
            Value::Bool(false),
            Value::Bool(false),
            Value::Bool(false),
            Value::Int(0),
            text("d"),
            Value::Int(0),
            Value::Null,
            Value::Int(0),
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
            // After those that initdb made, before those that were made since.
            list.insert(list.len().min(2), row(("template0", true)));
            rows(
                1262,
                "oid:o datname:n datdba:o encoding:i datlocprovider:c datistemplate:b \
                 datallowconn:b datconnlimit:i datcollate:t datctype:t daticulocale:t \
                 datcollversion:t datacl:t dattablespace:o",
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
            rows(2615, "oid:o nspname:n nspowner:o nspacl:t", SCHEMAS.iter().map(row).collect())
        }
        "pg_class" => rows(
            1259,
            "oid:o relname:n relnamespace:o relowner:o relkind:c relnatts:i reltuples:i \
                 relam:o relpersistence:c relhasindex:b relacl:t reltablespace:o relispartition:b \
                 reltoastrelid:o relhasrules:b relhastriggers:b relrowsecurity:b \
                 relforcerowsecurity:b reloftype:o relreplident:c relchecks:i reloptions:t \
                 relpages:i",
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
                "schemaname:n tablename:n tableowner:n tablespace:n hasindexes:b hasrules:b hastriggers:b rowsecurity:b",
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
                "relid:o schemaname:n relname:n n_live_tup:l",
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
                "attrelid:o attname:n atttypid:o attnum:i attnotnull:b atthasdef:b attisdropped:b \
                 atttypmod:i attidentity:c attgenerated:c attcollation:o",
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
                "table_catalog:n table_schema:n table_name:n table_type:t",
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
                "table_catalog:n table_schema:n table_name:n column_name:n ordinal_position:i \
                 data_type:t",
                list,
            )
        }
        "schemata" => {
            let row = |(_, name): &(i64, &str)| {
                vec![Value::text(engine.context.database.clone()), text(name), text("postgres")]
            };
            rows(13_120, "catalog_name:n schema_name:n schema_owner:n", SCHEMAS.iter().map(row).collect())
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
                "name:t setting:t unit:t context:t source:t reset_val:t short_desc:t",
                list.collect(),
            )
        }
        "pg_tablespace" => {
            let row = |(oid, name): (i64, &str)| {
                vec![Value::Int(oid), text(name), Value::Int(10), Value::Null, Value::Null]
            };
            rows(
                1213,
                "oid:o spcname:n spcowner:o spcacl:t spcoptions:t",
                [(1663, "pg_default"), (1664, "pg_global")].map(row).to_vec(),
            )
        }
        "pg_extension" => rows(
            3079,
            "oid:o extname:n extowner:o extnamespace:o extversion:t",
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
                "name:n default_version:t installed_version:t comment:t",
                EXTENSIONS.split(' ').map(row).collect(),
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
                "oid:o lanname:n lanowner:o lanispl:b lanpltrusted:b",
                [(12, "internal", false), (13, "c", false), (14, "sql", true), (13_568, "plpgsql", true)]
                    .map(row)
                    .to_vec(),
            )
        }
        "pg_am" => rows(
            2601,
            "oid:o amname:n amtype:c",
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
                "datid:o datname:n pid:i usename:n application_name:t client_addr:a client_port:i \
                 state:t query:t backend_type:t query_start:z",
                vec![row],
            )
        }
        "pg_proc" => rows(
            1255,
            "oid:o proname:n pronamespace:o proowner:o prolang:o prokind:c prosrc:t probin:t",
            Vec::new(),
        ),
        "pg_largeobject_metadata" => {
            let row = |oid: &i64| vec![Value::Int(*oid), Value::Int(10), Value::Null];
            rows(2995, "oid:o lomowner:o lomacl:t", engine.objects.keys().map(row).collect())
        }
        "pg_largeobject" => {
            let row = |(oid, data): (&i64, &Vec<u8>)| {
                vec![Value::Int(*oid), Value::Int(0), Value::Text(format!("\\x{}", hex::encode(data)))]
            };
            rows(2613, "loid:o pageno:i data:y", engine.objects.iter().map(row).collect())
        }
        name if EMPTY.split(' ').any(|n| n == name) => rows(2610, "", Vec::new()),
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
                "oid:o typname:n typnamespace:o typlen:i typtype:c typrelid:o typelem:o typdelim:c",
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

/// System tables that are empty here.
const EMPTY: &str = "pg_index pg_constraint pg_inherits pg_trigger pg_rewrite pg_policy pg_statistic_ext \
    pg_publication pg_attrdef pg_collation pg_stat_replication pg_replication_slots pg_views \
    pg_matviews pg_indexes pg_sequences pg_foreign_server pg_db_role_setting pg_auth_members \
    pg_description pg_shdescription pg_partitioned_table pg_statistic pg_stats pg_depend pg_shdepend \
    pg_event_trigger pg_foreign_table pg_foreign_data_wrapper pg_user_mapping pg_publication_rel \
    pg_publication_namespace pg_subscription pg_seclabel pg_init_privs pg_enum pg_operator \
    pg_opclass pg_cast pg_ts_config pg_prepared_statements pg_locks pg_stat_ssl pg_policies";

/// Extensions that the packages bring.
pub(super) const EXTENSIONS: &str = "plpgsql adminpack amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int \
    earthdistance file_fdw fuzzystrmatch hstore intarray isn lo ltree pageinspect pg_buffercache \
    pg_prewarm pg_stat_statements pg_trgm pgcrypto pgrowlocks pgstattuple postgres_fdw refint seg \
    sslinfo tablefunc tcn tsm_system_rows unaccent uuid-ossp xml2";
