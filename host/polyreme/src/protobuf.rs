//! Reading protobuf messages field by field, as far as the metadata of objects needs it.
//!
//! Nothing is copied. A message that is cut off or otherwise broken ends early; whoever reads it asks for
//! fields that must be there.

/// A field: its number and what it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// Number in the message's definition.
    pub(crate) number: u32,
    value: Value<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Field<'a> {
    /// Its bytes, if it has this number and holds a message, a text or bytes.
    pub(crate) fn message(&self, number: u32) -> Option<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) if self.number == number => Some(bytes),
            _ => None,
        }
    }

    /// Its text, if it has this number and holds one.
    pub(crate) fn text(&self, number: u32) -> Option<&'a str> {
        self.message(number).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Whether it is a number or a boolean other than zero.
    pub(crate) fn is_true(&self) -> bool {
        matches!(self.value, Value::Number(number) if number != 0)
    }
}

/// The fields of a message, in order.
pub(crate) fn fields(mut message: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || field(&mut message))
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let tag = varint(rest)?;
    let value = match tag & 7 {
        0 => Value::Number(varint(rest)?),
        1 => take(rest, 8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Value::Bytes(take(rest, length)?)
        }
        5 => take(rest, 4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    Some(Field { number: u32::try_from(tag >> 3).ok()?, value })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_field_is_read_or_skipped() {
        let message = b"\x08\x96\x01\x12\x02hi\x19\0\0\0\0\0\0\0\0\x25\0\0\0\0\x30\0";
        let numbers: Vec<_> = fields(message).map(|field| field.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 6]);
        assert_eq!(fields(message).find_map(|field| field.text(2)), Some("hi"));
        let is_true: Vec<_> = fields(message).map(|field| field.is_true()).collect();
        assert_eq!(is_true, [true, false, false, false, false]);
    }

    #[test]
    fn a_broken_message_ends_early() {
        for broken in
            [&b"\x12\x05hi"[..], b"\x0b", b"\x08", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
        {
            assert_eq!(fields(broken).count(), 0, "{broken:?}");
        }
    }
}
