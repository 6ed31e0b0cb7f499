//! Any bytes as values of states and changelogs, as parts of keys, and as entries of a dedup store.

use goyt::engine::codec;
use goyt::engine::state::dedup_keys;
use goyt::engine::value::{Type, Value};

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
        if let Ok(value) = codec::read_key(&mut rest, &of) {
            let mut written = Vec::new();
            codec::write_key(&value, &mut written);
            let taken = &bytes[..bytes.len() - rest.len()];
            assert_eq!(written, taken, "{value:?} of {of} has two keys");
        }
    }
    dedup(bytes);
}

fn dedup(bytes: &[u8]) {
    if let Some((time, id)) = dedup_keys::read_expiry_key(bytes) {
        let key = dedup_keys::id_key(id);
        assert_eq!(dedup_keys::id_of(&key), Some(id));
        let mut index = Vec::new();
        dedup_keys::expiry_key(&key, time, &mut index);
        assert_eq!(index, bytes);
        assert!(!dedup_keys::is_logged(&index) && dedup_keys::is_logged(&key));
    }
    let (key, value) = bytes.split_at(bytes.len() / 2);
    if let Some(index) = dedup_keys::index_entry(key, value) {
        let time = dedup_keys::read_time(value).unwrap();
        assert_eq!(dedup_keys::read_expiry_key(&index), Some((time, dedup_keys::id_of(key).unwrap())));
    }
    if let Some(time) = dedup_keys::read_time(bytes) {
        let mut written = Vec::new();
        dedup_keys::write_time(time, &mut written);
        assert_eq!(dedup_keys::read_time(&written), Some(time));
        assert_eq!(codec::read_value(&mut &written[..], &Type::Time), Ok(Value::Time(time)));
    }
}
