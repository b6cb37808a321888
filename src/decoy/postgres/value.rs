//! Values and their types.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

/// A type: what a client is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Name,
    Int4,
    Int8,
    Oid,
    Bool,
    Numeric,
    Float8,
    Bytea,
    Timestamp,
    Inet,
    Void,
    Char,
    Names,
    Texts,
    Record,
}

impl Type {
    /// Its number, and the size of its values.
    pub(super) fn wire(self) -> (u32, i16) {
        match self {
            Self::Text => (25, -1),
            Self::Name => (19, 64),
            Self::Int4 => (23, 4),
            Self::Int8 => (20, 8),
            Self::Oid => (26, 4),
            Self::Bool => (16, 1),
            Self::Numeric => (1700, -1),
            Self::Float8 => (701, 8),
            Self::Bytea => (17, -1),
            Self::Timestamp => (1184, 8),
            Self::Inet => (869, -1),
            Self::Void => (2278, 4),
            Self::Char => (18, 1),
            Self::Names => (1003, -1),
            Self::Texts => (1009, -1),
            Self::Record => (2249, -1),
        }
    }

    /// The type that a name in a statement means; unknown ones are text.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "int" | "int4" | "integer" | "smallint" | "int2" | "serial" => Self::Int4,
            "bigint" | "int8" | "bigserial" => Self::Int8,
            "oid" | "regclass" | "regproc" | "regtype" | "regrole" | "regnamespace" => Self::Oid,
            "bool" | "boolean" => Self::Bool,
            "numeric" | "decimal" => Self::Numeric,
            "float8" | "double" | "real" | "float4" | "float" => Self::Float8,
            "bytea" => Self::Bytea,
            "timestamp" | "timestamptz" => Self::Timestamp,
            "name" => Self::Name,
            "inet" | "cidr" => Self::Inet,
            _ => Self::Text,
        }
    }
}

impl Value {
    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// As a client is shown it; none for NULL.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Int(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Bool(true) => Some("t".into()),
            Self::Bool(false) => Some("f".into()),
            Self::Text(text) => Some(text.clone()),
        }
    }

    /// In the binary form of a type, for clients that ask for it.
    pub(super) fn binary(&self, kind: Type) -> Option<Vec<u8>> {
        let whole = self.whole();
        match (kind, self) {
            (_, Self::Null) => None,
            (Type::Int4, _) => whole.map(|n| i32::try_from(n).unwrap_or(0).to_be_bytes().to_vec()),
            (Type::Oid, _) => whole.map(|n| u32::try_from(n).unwrap_or(0).to_be_bytes().to_vec()),
            (Type::Int8, _) => whole.map(|n| n.to_be_bytes().to_vec()),
            (Type::Bool, _) => Some(vec![u8::from(self.truth())]),
            (Type::Float8, _) => self.number().map(|n| n.to_be_bytes().to_vec()),
            (Type::Bytea, Self::Text(text)) => Some(
                hex::decode(text.trim_start_matches("\\x")).unwrap_or_else(|_| text.clone().into_bytes()),
            ),
            _ => self.shown().map(String::into_bytes),
        }
    }

    /// As a whole number.
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            #[expect(clippy::cast_possible_truncation, reason = "saturates, as wanted")]
            Self::Float(number) => Some(number.round() as i64),
            Self::Bool(value) => Some(i64::from(*value)),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Null => None,
        }
    }

    /// As a number with a fraction.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "compared only")]
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Whether it counts as true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Bool(value) => *value,
            Self::Text(text) => matches!(text.as_str(), "t" | "true" | "on" | "yes" | "1"),
            Self::Int(number) => *number != 0,
            _ => false,
        }
    }

    /// How two values compare; none with NULL.
    pub(super) fn compare(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Bool(a), b) => Some(a.cmp(&b.truth())),
            (a, Self::Bool(b)) => Some(a.truth().cmp(b)),
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a.partial_cmp(&b),
                _ => Some(self.shown().cmp(&other.shown())),
            },
        }
    }
}
