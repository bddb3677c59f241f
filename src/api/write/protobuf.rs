//! Reads protobuf where it lies: no message is copied before it is understood
//! (protobuf.dev, "Encoding").

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The message ends in the middle of a field.
    #[error("a field is cut off")]
    CutOff,
    /// A variable-length number of more than 64 bits.
    #[error("a number is longer than 64 bits")]
    TooWide,
    /// A field number that is not allowed.
    #[error("a field has the number {0}")]
    Number(u64),
    /// A field of another type than the message's definition says, or of a type that is no more.
    #[error("field {number} has the wire type {wire}")]
    Wire {
        /// The field's number.
        number: u32,
        /// The type found.
        wire: u8,
    },
}

type Result<T> = std::result::Result<T, Malformed>;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

/// The fields of one message, in the order in which they lie.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

/// A field's number and value.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    value: Value<'a>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// How many bytes the fields still to come have.
    pub(crate) fn remaining(&self) -> usize {
        self.0.len()
    }

    /// The next field; `None` at the end of the message.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = take_varint(&mut self.0)?;
        // Three bits of type, and at most 29 of number.
        let number = key >> 3;
        let number = u32::try_from(number)
            .ok()
            .filter(|number| (1..1 << 29).contains(number))
            .ok_or(Malformed::Number(number))?;
        let wire = (key & 7) as u8;
        let value = match wire {
            VARINT => Value::Varint(take_varint(&mut self.0)?),
            FIXED64 => Value::Fixed64(u64::from_le_bytes(take_array(&mut self.0)?)),
            LENGTH => {
                let length = take_varint(&mut self.0)?;
                let length = usize::try_from(length).map_err(|_| Malformed::CutOff)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed::CutOff)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            FIXED32 => {
                take_array::<4>(&mut self.0)?;
                Value::Fixed32
            }
            // Groups, which no message here has ever had.
            wire => return Err(Malformed::Wire { number, wire }),
        };
        Ok(Some(Field { number, value }))
    }
}

impl<'a> Field<'a> {
    /// A message, string or list of packed numbers.
    #[inline]
    pub(crate) fn bytes(&self) -> Result<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.mismatch()),
        }
    }

    #[inline]
    pub(crate) fn int64(&self) -> Result<i64> {
        match self.value {
            Value::Varint(value) => Ok(value as i64),
            _ => Err(self.mismatch()),
        }
    }

    /// The low 32 bits, as protobuf reads a number that is too large for its field.
    #[inline]
    pub(crate) fn uint32(&self) -> Result<u32> {
        Ok(self.int64()? as u32)
    }

    /// A number whose sign stands in its lowest bit.
    pub(crate) fn sint64(&self) -> Result<i64> {
        Ok(unfold(self.int64()?.cast_unsigned()))
    }

    #[inline]
    pub(crate) fn double(&self) -> Result<f64> {
        match self.value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(self.mismatch()),
        }
    }

    /// Appends the numbers of a repeated field, packed or one by one.
    #[inline]
    pub(crate) fn push_uint32s(&self, out: &mut Vec<u32>) -> Result<()> {
        match self.value {
            Value::Varint(value) => out.push(value as u32),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    out.push(take_varint(&mut packed)? as u32);
                }
            }
            _ => return Err(self.mismatch()),
        }
        Ok(())
    }

    /// As [`Field::push_uint32s`].
    pub(crate) fn push_sint64s(&self, out: &mut Vec<i64>) -> Result<()> {
        match self.value {
            Value::Varint(value) => out.push(unfold(value)),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    out.push(unfold(take_varint(&mut packed)?));
                }
            }
            _ => return Err(self.mismatch()),
        }
        Ok(())
    }

    /// As [`Field::push_uint32s`].
    pub(crate) fn push_doubles(&self, out: &mut Vec<f64>) -> Result<()> {
        match self.value {
            Value::Fixed64(bits) => out.push(f64::from_bits(bits)),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    out.push(f64::from_le_bytes(take_array(&mut packed)?));
                }
            }
            _ => return Err(self.mismatch()),
        }
        Ok(())
    }

    #[cold]
    fn mismatch(&self) -> Malformed {
        let wire = match self.value {
            Value::Varint(_) => VARINT,
            Value::Fixed64(_) => FIXED64,
            Value::Bytes(_) => LENGTH,
            Value::Fixed32 => FIXED32,
        };
        Malformed::Wire {
            number: self.number,
            wire,
        }
    }
}

/// Protobuf's zigzag.
fn unfold(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[inline]
fn take_varint(rest: &mut &[u8]) -> Result<u64> {
    // Most numbers here are lengths and references below 128.
    if let [byte, after @ ..] = *rest
        && *byte < 0x80
    {
        *rest = after;
        return Ok(u64::from(*byte));
    }
    let mut value = 0;
    for (at, byte) in rest.iter().enumerate().take(10) {
        // The tenth byte holds the last bit.
        if at == 9 && *byte > 1 {
            return Err(Malformed::TooWide);
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            *rest = &rest[at + 1..];
            return Ok(value);
        }
    }
    Err(if rest.len() < 10 {
        Malformed::CutOff
    } else {
        Malformed::TooWide
    })
}

#[inline]
fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk().ok_or(Malformed::CutOff)?;
    *rest = after;
    Ok(*bytes)
}
