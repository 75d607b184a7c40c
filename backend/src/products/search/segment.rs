//! How a segment is written. Pure.

/// Ascending ids, or positions, as differences in LEB128.
pub fn pack(ids: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ids.len() * 2);
    let mut last = 0;
    for id in ids {
        push(&mut bytes, (id - last).unsigned_abs());
        last = *id;
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7F).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
