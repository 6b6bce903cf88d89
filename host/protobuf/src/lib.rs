//! Kubernetes' protobuf (`application/vnd.kubernetes.protobuf`), read field by field.
//!
//! The host reads lists of metadata with it, the local API server what clients send. Both know the numbers of the
//! fields they want and need no types; nothing is copied. `prost` reads the wire.
//!
//! # Example
//!
//! ```
//! // A field 1 with a number, and a field 2 with a text.
//! let message = b"\x08\x96\x01\x12\x02hi";
//! assert_eq!(polyreme_protobuf::last(message, 1)?.map(|field| field.integer()), Some(Ok(150)));
//! assert_eq!(polyreme_protobuf::last(message, 2)?.map(|field| field.text()), Some(Ok("hi")));
//! # Ok::<(), polyreme_protobuf::Error>(())
//! ```

use std::iter;

use prost::bytes::Buf as _;
use prost::encoding::{WireType, decode_key, decode_varint};

/// What every body begins with; a `runtime.Unknown` follows
/// (k8s.io/apimachinery/pkg/runtime/serializer/protobuf).
pub const MAGIC: &[u8] = b"k8s\0";

/// Why a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It ends within a field.
    #[error("it is cut off")]
    Cut,
    /// No field begins where one should.
    #[error("it is broken: {0}")]
    Broken(#[from] prost::DecodeError),
    /// A group, which Kubernetes does not use.
    #[error("field {0} is a group")]
    Group(u32),
    /// A number where a text should be, or the other way round.
    #[error("field {0} has another type")]
    Type(u32),
    /// A text in another encoding.
    #[error("field {0} is not UTF-8")]
    Text(u32),
}

/// What reading comes to.
pub type Result<T> = std::result::Result<T, Error>;

/// One occurrence of a field.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its number in the message's definition.
    pub number: u32,
    value: Value<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// A message or bytes.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn bytes(&self) -> Result<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Error::Type(self.number)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn text(&self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::Text(self.number))
    }

    /// A whole number; a boolean is 0 or 1.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn integer(&self) -> Result<i64> {
        match self.value {
            // Negative numbers are written in full.
            Value::Varint(number) => Ok(number.cast_signed()),
            _ => Err(Error::Type(self.number)),
        }
    }

    /// The whole numbers of a list, which come one by one or many at once.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn integers(&self) -> Result<Vec<i64>> {
        let Value::Bytes(mut packed) = self.value else { return Ok(vec![self.integer()?]) };
        let mut all = Vec::new();
        while packed.has_remaining() {
            all.push(decode_varint(&mut packed)?.cast_signed());
        }
        Ok(all)
    }

    /// A number of 64 bits with a fraction.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn double(&self) -> Result<f64> {
        match self.value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(Error::Type(self.number)),
        }
    }
}

/// The fields of a message, in order. Ends with the first that cannot be read.
pub fn fields(mut message: &[u8]) -> impl Iterator<Item = Result<Field<'_>>> {
    iter::from_fn(move || {
        let read = message.has_remaining().then(|| field(&mut message))?;
        if read.is_err() {
            message = &[];
        }
        Some(read)
    })
}

/// The occurrence of a field that counts: the last.
///
/// # Errors
/// When the message cannot be read to its end.
pub fn last(message: &[u8], number: u32) -> Result<Option<Field<'_>>> {
    fields(message).try_fold(None, |found, field| {
        let field = field?;
        Ok(if field.number == number { Some(field) } else { found })
    })
}

/// The text of a field; empty when it is not there, as protobuf has it.
///
/// # Errors
/// When the message cannot be read, or the field holds something else.
pub fn text(message: &[u8], number: u32) -> Result<&str> {
    last(message, number)?.map_or(Ok(""), |field| field.text())
}

/// The bytes of a field, or the message in it; empty when it is not there.
///
/// # Errors
/// When the message cannot be read, or the field holds something else.
pub fn bytes(message: &[u8], number: u32) -> Result<&[u8]> {
    last(message, number)?.map_or(Ok(&[]), |field| field.bytes())
}

/// The number in a field; 0 when it is not there.
///
/// # Errors
/// When the message cannot be read, or the field holds something else.
pub fn integer(message: &[u8], number: u32) -> Result<i64> {
    last(message, number)?.map_or(Ok(0), |field| field.integer())
}

fn field<'a>(rest: &mut &'a [u8]) -> Result<Field<'a>> {
    let (number, wire) = decode_key(rest)?;
    let value = match wire {
        WireType::Varint => Value::Varint(decode_varint(rest)?),
        WireType::SixtyFourBit => Value::Fixed64(rest.try_get_u64_le().map_err(|_| Error::Cut)?),
        WireType::ThirtyTwoBit => {
            rest.try_get_u32_le().map_err(|_| Error::Cut)?;
            Value::Fixed32
        }
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest)?).map_err(|_| Error::Cut)?;
            let (bytes, after) = rest.split_at_checked(length).ok_or(Error::Cut)?;
            *rest = after;
            Value::Bytes(bytes)
        }
        WireType::StartGroup | WireType::EndGroup => return Err(Error::Group(number)),
    };
    Ok(Field { number, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_field_is_read_or_skipped() {
        let message = b"\x08\x96\x01\x12\x02hi\x19\0\0\0\0\0\0\xe0\x3f\x25\0\0\0\0\x30\0";
        let all: Vec<_> = fields(message).collect::<Result<_>>().unwrap();
        assert_eq!(all.iter().map(|field| field.number).collect::<Vec<_>>(), [1, 2, 3, 4, 6]);
        assert_eq!(text(message, 2), Ok("hi"));
        assert_eq!((integer(message, 1), integer(message, 6), integer(message, 9)), (Ok(150), Ok(0), Ok(0)));
        assert_eq!(last(message, 3).unwrap().unwrap().double(), Ok(0.5));
    }

    #[test]
    fn a_field_of_another_type_is_an_error_that_names_it() {
        let message = b"\x08\x01\x12\x01\xff\x25\0\0\0\0";
        assert_eq!(text(message, 1), Err(Error::Type(1)));
        assert_eq!(integer(message, 2), Err(Error::Type(2)));
        assert_eq!(text(message, 2), Err(Error::Text(2)));
        assert_eq!(bytes(message, 4), Err(Error::Type(4)));
        assert_eq!(last(message, 1).unwrap().unwrap().double(), Err(Error::Type(1)));
    }

    #[test]
    fn numbers_of_a_list_may_come_at_once() {
        let all = |message: &[u8]| last(message, 1).unwrap().unwrap().integers();
        assert_eq!(all(b"\x08\x07"), Ok(vec![7]));
        assert_eq!(all(b"\x0a\x0b\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Ok(vec![1, -2]));
        assert!(all(b"\x0a\x01\xff").is_err());
    }

    #[test]
    fn a_broken_message_ends_with_an_error() {
        for broken in [
            &b"\x12\x05hi"[..],
            b"\x0b",
            b"\x08",
            b"\x19\0",
            b"\0",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            let all: Vec<_> = fields(broken).collect();
            assert!(matches!(all.as_slice(), [Err(_)]), "{broken:?}: {all:?}");
        }
    }
}
