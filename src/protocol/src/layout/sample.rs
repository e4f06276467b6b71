//! Random messages for tests: whatever a layout allows, in any version.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Field, Kind, Layout};
use crate::wire::PutExt;

impl Layout {
    /// Writes a valid message of this layout, from whatever numbers `random` gives.
    pub fn sample(&self, version: i16, random: &mut dyn FnMut() -> u32) -> Bytes {
        let mut out = BytesMut::new();
        let mut sampler = Sampler {
            random,
            version,
            flexible: version >= self.flexible_from,
        };
        sampler.fields(self.fields, &mut out);
        out.freeze()
    }
}

struct Sampler<'a> {
    random: &'a mut dyn FnMut() -> u32,
    version: i16,
    flexible: bool,
}

impl Sampler<'_> {
    fn below(&mut self, n: u32) -> u32 {
        (self.random)() % n
    }

    fn fields(&mut self, fields: &[Field], out: &mut BytesMut) {
        let version = self.version;
        let present = || fields.iter().filter(|f| f.exists_in(version));
        for field in present().filter(|f| f.tag.is_none()) {
            self.value(&field.kind, out);
        }
        if !self.flexible {
            return;
        }
        let mut tags = Vec::new();
        for (tag, kind) in present().filter_map(|f| f.tag.map(|tag| (tag, &f.kind))) {
            if self.below(2) == 0 {
                let mut content = BytesMut::new();
                self.value(kind, &mut content);
                tags.push((tag, content));
            }
        }
        tags.sort_by_key(|&(tag, _)| tag);
        if self.below(4) == 0 {
            tags.push((100 + self.below(1000), BytesMut::from(&b"unknown"[..])));
        }
        out.put_varint(tags.len() as u32);
        for (tag, content) in tags {
            out.put_varint(tag);
            out.put_varint(content.len() as u32);
            out.put_slice(&content);
        }
    }

    fn value(&mut self, kind: &Kind, out: &mut BytesMut) {
        match kind {
            // Small numbers, so that booleans are 0 or 1.
            Kind::Fixed(1) => {
                let bit = self.below(2);
                out.put_u8(bit as u8);
            }
            Kind::Fixed(width) => {
                for _ in 0..*width {
                    let byte = self.below(256);
                    out.put_u8(byte as u8);
                }
            }
            Kind::String => {
                let len = self.below(12) as usize;
                out.put_string(self.flexible, &"abcdefghijkl"[..len]);
            }
            Kind::Bytes => {
                let len = self.below(300) as usize;
                out.put_len(self.flexible, len);
                out.put_bytes(7, len);
            }
            Kind::Struct(fields) => self.fields(fields, out),
            Kind::NullableStruct(fields) => {
                if self.below(2) == 0 {
                    out.put_i8(-1);
                } else {
                    out.put_i8(1);
                    self.fields(fields, out);
                }
            }
            Kind::Array { element, .. } => {
                let len = self.below(4) as usize;
                out.put_len(self.flexible, len);
                for _ in 0..len {
                    self.value(element, out);
                }
            }
        }
    }
}
