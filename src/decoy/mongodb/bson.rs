//! BSON, bounded: documents of a frame that was bounded before, at most so deep and of so many elements.

use crate::decoy::buffered::Cursor;

/// Deepest nesting, and most elements of one message.
const LIMITS: (u32, u32) = (48, 20_000);

/// A document: names and values, in order.
pub(super) type Doc = Vec<(String, Value)>;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Double(f64),
    Text(String),
    Doc(Doc),
    Array(Vec<Value>),
    Binary(u8, Vec<u8>),
    Id([u8; 12]),
    Bool(bool),
    Date(i64),
    Null,
    Regex(String, String),
    Int(i32),
    Long(i64),
    /// Any other type: its tag and its bytes.
    Other(u8, Vec<u8>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Long(number)
    }
}
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<Doc> for Value {
    fn from(doc: Doc) -> Self {
        Self::Doc(doc)
    }
}
impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::Array(list)
    }
}

/// A document of literals.
macro_rules! object {
    ($($name:expr => $value:expr),* $(,)?) => {
        vec![$(($name.to_owned(), $crate::decoy::mongodb::bson::Value::from($value))),*]
    };
}
pub(super) use object;

/// The value of `name`.
pub(super) fn get<'a>(doc: &'a Doc, name: &str) -> Option<&'a Value> {
    doc.iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

impl Value {
    /// A text.
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A document.
    pub(super) fn doc(&self) -> Option<&Doc> {
        if let Self::Doc(doc) = self { Some(doc) } else { None }
    }

    /// A list.
    pub(super) fn array(&self) -> Option<&[Self]> {
        if let Self::Array(list) = self { Some(list) } else { None }
    }

    /// A number as a whole one.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as wanted")]
    pub(super) fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(i64::from(*number)),
            Self::Long(number) => Some(*number),
            Self::Double(number) => Some(*number as i64),
            Self::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// A number as one with a fraction.
    #[expect(clippy::cast_precision_loss, reason = "compared only")]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(f64::from(*number)),
            Self::Long(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether it counts as true.
    pub(super) fn truth(&self) -> bool {
        self.whole().is_some_and(|number| number != 0)
    }

    fn tag(&self) -> u8 {
        match self {
            Self::Double(_) => 1,
            Self::Text(_) => 2,
            Self::Doc(_) => 3,
            Self::Array(_) => 4,
            Self::Binary(..) => 5,
            Self::Id(_) => 7,
            Self::Bool(_) => 8,
            Self::Date(_) => 9,
            Self::Null => 10,
            Self::Regex(..) => 11,
            Self::Int(_) => 16,
            Self::Long(_) => 18,
            Self::Other(tag, _) => *tag,
        }
    }
}

/// Takes a document off the front; none when it is malformed or too much.
pub(super) fn take(cursor: &mut Cursor<'_>) -> Option<Doc> {
    let mut left = LIMITS.1;
    document(cursor, LIMITS.0, &mut left)
}

fn document(cursor: &mut Cursor<'_>, depth: u32, left: &mut u32) -> Option<Doc> {
    let length = usize::try_from(cursor.le32()?).ok()?;
    let mut inner = Cursor(cursor.take(length.checked_sub(4)?)?);
    let depth = depth.checked_sub(1)?;
    let mut doc = Vec::new();
    loop {
        let tag = inner.u8()?;
        if tag == 0 {
            return inner.0.is_empty().then_some(doc);
        }
        *left = left.checked_sub(1)?;
        let name = std::str::from_utf8(inner.text()?).ok()?.to_owned();
        doc.push((name, value(tag, &mut inner, depth, left)?));
    }
}

/// A text with its length, NUL counted.
fn text(cursor: &mut Cursor<'_>) -> Option<String> {
    let length = usize::try_from(cursor.le32()?).ok()?;
    let (last, text) = cursor.take(length)?.split_last()?;
    (*last == 0).then(|| String::from_utf8_lossy(text).into_owned())
}

fn value(tag: u8, cursor: &mut Cursor<'_>, depth: u32, left: &mut u32) -> Option<Value> {
    let cstring = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match tag {
        1 => Value::Double(f64::from_le_bytes(cursor.array()?)),
        2 => Value::Text(text(cursor)?),
        3 => Value::Doc(document(cursor, depth, left)?),
        4 => Value::Array(document(cursor, depth, left)?.into_iter().map(|(_, v)| v).collect()),
        5 => {
            let length = usize::try_from(cursor.le32()?).ok()?;
            let kind = cursor.u8()?;
            Value::Binary(kind, cursor.take(length)?.to_vec())
        }
        7 => Value::Id(cursor.array()?),
        8 => Value::Bool(cursor.u8()? != 0),
        9 => Value::Date(i64::from_le_bytes(cursor.array()?)),
        10 => Value::Null,
        11 => Value::Regex(cstring(cursor.text()?), cstring(cursor.text()?)),
        16 => Value::Int(i32::from_le_bytes(cursor.array()?)),
        18 => Value::Long(i64::from_le_bytes(cursor.array()?)),
        6 | 0x7f | 0xff => Value::Other(tag, Vec::new()),
        0x11 => Value::Other(tag, cursor.take(8)?.to_vec()),
        0x13 => Value::Other(tag, cursor.take(16)?.to_vec()),
        0x0c => {
            let before = cursor.0;
            text(cursor)?;
            cursor.take(12)?;
            let used = before.len() - cursor.0.len();
            Value::Other(tag, before.get(..used)?.to_vec())
        }
        0x0d | 0x0e => {
            let before = cursor.0;
            text(cursor)?;
            let used = before.len() - cursor.0.len();
            Value::Other(tag, before.get(..used)?.to_vec())
        }
        0x0f => {
            let before = cursor.0;
            let length = usize::try_from(cursor.le32()?).ok()?;
            cursor.take(length.checked_sub(4)?)?;
            Value::Other(tag, before.get(..length)?.to_vec())
        }
        _ => return None,
    })
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

/// The bytes of a document.
pub(super) fn bytes(doc: &Doc) -> Vec<u8> {
    let mut out = Vec::new();
    put(doc.iter().map(|(name, value)| (name.as_str(), value)), &mut out);
    out
}

fn put<'a>(elements: impl Iterator<Item = (&'a str, &'a Value)>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    for (name, value) in elements {
        out.push(value.tag());
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        put_value(value, out);
    }
    out.push(0);
    let size = length(out.len() - start);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&size);
    }
}

fn put_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Double(number) => out.extend_from_slice(&number.to_le_bytes()),
        Value::Text(text) => {
            out.extend_from_slice(&length(text.len() + 1));
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
        Value::Doc(doc) => put(doc.iter().map(|(name, value)| (name.as_str(), value)), out),
        Value::Array(list) => {
            let names: Vec<String> = (0..list.len()).map(|at| at.to_string()).collect();
            put(names.iter().map(String::as_str).zip(list), out);
        }
        Value::Binary(kind, bytes) => {
            out.extend_from_slice(&length(bytes.len()));
            out.push(*kind);
            out.extend_from_slice(bytes);
        }
        Value::Id(id) => out.extend_from_slice(id),
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::Date(date) => out.extend_from_slice(&date.to_le_bytes()),
        Value::Null => {}
        Value::Regex(pattern, options) => {
            for part in [pattern, options] {
                out.extend_from_slice(part.as_bytes());
                out.push(0);
            }
        }
        Value::Int(number) => out.extend_from_slice(&number.to_le_bytes()),
        Value::Long(number) => out.extend_from_slice(&number.to_le_bytes()),
        Value::Other(_, bytes) => out.extend_from_slice(bytes),
    }
}

/// A document as people write it, for events: cut at about `max` bytes.
pub(super) fn show(doc: &Doc, max: usize) -> String {
    let mut out = String::new();
    show_doc(doc, max, &mut out);
    out
}

fn show_doc(doc: &Doc, max: usize, out: &mut String) {
    out.push_str("{ ");
    for (at, (name, value)) in doc.iter().enumerate() {
        if out.len() >= max {
            out.push_str(" …");
            break;
        }
        out.push_str(if at > 0 { ", " } else { "" });
        out.push_str(name);
        out.push_str(": ");
        show_value(value, max, out);
    }
    out.push_str(" }");
}

fn show_value(value: &Value, max: usize, out: &mut String) {
    match value {
        Value::Double(number) => out.push_str(&number.to_string()),
        Value::Text(text) => {
            let text: String = text.chars().take(max).collect();
            out.push_str(&format!("{text:?}"));
        }
        Value::Doc(doc) => show_doc(doc, max, out),
        Value::Array(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if out.len() >= max {
                    out.push('…');
                    break;
                }
                out.push_str(if at > 0 { ", " } else { "" });
                show_value(item, max, out);
            }
            out.push(']');
        }
        Value::Binary(kind, bytes) => {
            let shown = bytes.get(..bytes.len().min(64)).unwrap_or_default();
            out.push_str(&format!("BinData({kind}, {})", hex::encode(shown)));
        }
        Value::Id(id) => out.push_str(&format!("ObjectId('{}')", hex::encode(id))),
        Value::Bool(value) => out.push_str(&value.to_string()),
        Value::Date(date) => out.push_str(&format!("Date({date})")),
        Value::Null => out.push_str("null"),
        Value::Regex(pattern, options) => out.push_str(&format!("/{pattern}/{options}")),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Long(number) => out.push_str(&number.to_string()),
        Value::Other(tag, bytes) => {
            let shown = bytes.get(..bytes.len().min(256)).unwrap_or_default();
            out.push_str(&format!("<{tag:#x} {}>", String::from_utf8_lossy(shown).escape_debug()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documents_come_back() {
        let doc = object! { "a" => 1, "b" => vec![Value::Null, "x".into()], "c" => object! { "d" => 2.5, "e" => true },
        "f" => Value::Id([7; 12]), "g" => Value::Binary(0, vec![1]), "h" => 5i64, "i" => Value::Date(1), "j" => Value::Regex("^a".into(), "i".into()) };
        let bytes = bytes(&doc);
        let mut cursor = Cursor(&bytes);
        assert_eq!(take(&mut cursor).as_ref(), Some(&doc));
        assert!(cursor.0.is_empty());
        assert!(show(&doc, 4096).starts_with("{ a: 1, b: [null, \"x\"], c: { d: 2.5, e: true }"));
        // {hello: 1} as drivers send it.
        assert_eq!(take(&mut Cursor(b"\x10\0\0\0\x10hello\0\x01\0\0\0\0")), Some(object! { "hello" => 1 }));
    }

    #[test]
    fn depth_and_lengths_are_bounded() {
        let mut deep = b"\x05\0\0\0\0".to_vec();
        for _ in 0..200 {
            let length = u32::try_from(deep.len() + 8).unwrap().to_le_bytes();
            deep = [&length[..], b"\x03a\0", &deep, b"\0"].concat();
        }
        assert_eq!(take(&mut Cursor(&deep)), None);
        assert_eq!(take(&mut Cursor(b"\xff\xff\xff\x7f\x10a\0\x01\0\0\0\0")), None);
        assert_eq!(take(&mut Cursor(b"\0\0\0\0")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..120), tag: u8) {
            let _ = take(&mut Cursor(&body));
            let inner = [&[tag, b'a', 0][..], &body, &[0]].concat();
            let length = u32::try_from(inner.len() + 4).unwrap().to_le_bytes();
            if let Some(doc) = take(&mut Cursor(&[&length[..], &inner].concat())) {
                let again = bytes(&doc);
                prop_assert!(take(&mut Cursor(&again)).is_some());
                show(&doc, 100);
            }
        }
    }
}
