//! Any bytes as values of states and changelogs, as parts of keys, and as entries of a dedup store.

use goyt::engine::codec;
use goyt::engine::state::dedup_keys::{self, PageName};
use goyt::engine::state::dedup_pages;
use goyt::engine::value::{Texts, Type, Value};

/// All types that values are stored by, plain and optional.
pub fn types() -> Vec<Type> {
    let plain = [Type::Bool, Type::Int, Type::Decimal, Type::Money, Type::String, Type::Time, Type::Uuid, Type::List, Type::Null];
    let optional = plain.iter().map(|it| Type::Optional(Box::new(it.clone())));
    plain.iter().cloned().chain(optional).collect()
}

/// Bytes are refused, or are a value that is written and read as itself. A key has one way to be written: else one id would be two.
pub fn run(bytes: &[u8]) {
    for of in types() {
        let mut rest = bytes;
        if let Ok(value) = codec::read_value(&mut rest, &of) {
            assert!(rest.len() < bytes.len(), "nothing was taken for {of}");
            let mut written = Vec::new();
            codec::write_value(&value, &of, &mut written);
            let mut again = &written[..];
            assert_eq!(codec::read_value(&mut again, &of).as_ref(), Ok(&value), "{of}");
            assert!(again.is_empty());
        }
        let mut rest = bytes;
        if let Ok(value) = codec::read_key(&mut rest, &of, &Texts::new()) {
            let mut written = Vec::new();
            codec::write_key(&value, &mut written);
            let taken = &bytes[..bytes.len() - rest.len()];
            assert_eq!(written, taken, "{value:?} of {of} has two keys");
        }
    }
    dedup(bytes);
}

fn dedup(bytes: &[u8]) {
    for (kind, name) in [(2, PageName::of(bytes)), (3, PageName::of_indexed(bytes))] {
        let Some(name) = name else { continue };
        assert_eq!(dedup_keys::logged(bytes).as_deref(), Some(&name.key()[..]));
        assert!(bytes == if kind == 2 { name.key() } else { name.indexed_key() } && dedup_keys::id_of(bytes).is_none());
        assert!(dedup_keys::before_pages().as_slice() < bytes);
        assert_eq!(dedup_keys::before_indexed_pages().as_slice() < bytes, kind == 3);
        page(&name.key(), &[]);
    }
    let (key, value) = bytes.split_at(bytes.len().min(25));
    page(key, value);
    if let Some(time) = dedup_keys::read_time(bytes) {
        let mut written = Vec::new();
        dedup_keys::write_time(time, &mut written);
        assert_eq!(dedup_keys::read_time(&written), Some(time));
        assert_eq!(codec::read_value(&mut &written[..], &Type::Time), Ok(Value::Time(time)));
    }
}

/// Bytes are no page, or one of which all ids are handed out, and that is itself without none of them.
fn page(key: &[u8], value: &[u8]) {
    let Some((name, ids)) = PageName::of(key).and_then(|name| Some((name, dedup_pages::read(name, value)?))) else { return };
    let mut entries = Vec::new();
    dedup_pages::unpack(key, Some(value), |key, value| entries.push((key.to_vec(), value.map(<[u8]>::to_vec)))).unwrap();
    assert_eq!(entries.pop(), Some((key.to_vec(), Some(value.to_vec()))));
    let found =
        entries.iter().map(|(key, value)| (dedup_keys::id_of(key).unwrap(), dedup_keys::read_time(value.as_ref().unwrap()).unwrap()));
    assert!(found.eq(ids.iter().copied()));
    assert_eq!(dedup_pages::without(name, value, |_| false), None);
    assert_eq!(dedup_pages::without(name, value, |_| true), (!ids.is_empty()).then_some(None));
}
