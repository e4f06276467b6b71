//! Bytes that a client of somebody else's made (kafka-python 3.0 with its codecs): the same three
//! records in every format and codec.

use ottla_records::{Compression, Magic, TimestampType, batches, records, verify};

use crate::support::{hex, record};

const V2_NONE: &str = "\
    0000000000000000000000870000000002606a66990000000000020000015d3ef798000000015d3ef79805ffffffffffffffffffffffff\
    ffff0000000354000000046b313676616c75652076616c75652076616c75652076616c7565206f6e650402680278026e0142000a020136\
    76616c75652076616c75652076616c75652076616c75652074776f0010000604046b330100";
const V2_GZIP: &str = "\
    00000000000000000000007400000000022b86df130001000000020000015d3ef798000000015d3ef79805ffffffffffffffffffffffff\
    ffff000000031f8b0800a875016b02ff0b61606060c936342b4bcc294d55c024f3f352599832982a98f2189d18b89818712a2c29cf6710\
    60606361c9366664000070dfab1c56000000";
const V2_SNAPPY: &str = "\
    00000000000000000000007a00000000021cd2655c0002000000020000015d3ef798000000015d3ef79805ffffffffffffffffffffffff\
    ffff0000000382534e4150505900000000010000000100000035563454000000046b313676616c7565204606003c6f6e65040268027802\
    6e0142000a02016229003074776f0010000604046b330100";
const V2_LZ4: &str = "\
    00000000000000000000007c0000000002a5202fba0003000000020000015d3ef798000000015d3ef79805ffffffffffffffffffffffff\
    ffff0000000304224d18684056000000000000007134000000ee54000000046b313676616c7565200600ff016f6e650402680278026e01\
    42000a0201290006d074776f0010000604046b33010000000000";
const V2_ZSTD: &str = "\
    00000000000000000000006f0000000002b7d6d5130004000000020000015d3ef798000000015d3ef79805ffffffffffffffffffffffff\
    ffff0000000328b52ffd2056ad0100b40254000000046b313676616c7565206f6e650402680278026e0142000a020174776f0010000604\
    046b3301000200985a96784509";
const V0_NONE: &str = "\
    00000000000000000000002b7fd9b8460000000000026b310000001b76616c75652076616c75652076616c75652076616c7565206f6e65\
    00000000000000010000002957b5b0030000ffffffff0000001b76616c75652076616c75652076616c75652076616c75652074776f0000\
    00000000000200000010b643ca6a0000000000026b33ffffffff";
const V0_GZIP: &str = "\
    00000000000000000000005fc967dba60001ffffffff000000511f8b0800a875016b02ff63608003edfa9b3bdcc02ca66c4320295d9698\
    539aaa8049e6e7a542b53002b166f8d60dcc0c0cff81009fa692f27ca826262016d8e67c2a0b6a9731482b0021301d8288000000";
const V0_SNAPPY: &str = "\
    0000000000000000000000786a330ac00002ffffffff0000006a82534e4150505900000000010000000100000056880100001901102b7f\
    d9b846050f30026b310000001b76616c756520460600086f6e650527400000010000002957b5b0030000ffffffff6e35000874776f0d35\
    500200000010b643ca6a0000000000026b33ffffffff";
const V0_LZ4: &str = "\
    000000000000000000000071242bc1490003ffffffff0000006304224d1860401a5400000016000100512b7fd9b8460f00de026b310000\
    001b76616c7565200600316f6e652700ff020000010000002957b5b0030000ffffffff3500093074776f3200c20000000200000010b643\
    ca6a0e00606b33ffffffff00000000";
const V1_NONE: &str = "\
    0000000000000000000000330a67b0ae01000000015d3ef79800000000026b310000001b76616c75652076616c75652076616c75652076\
    616c7565206f6e65000000000000000100000031ead11c6201000000015d3ef79805ffffffff0000001b76616c75652076616c75652076\
    616c75652076616c75652074776f0000000000000002000000188f4a777d01000000015d3ef79803000000026b33ffffffff";
const V1_GZIP: &str = "\
    000000000000000000000073975b981001010000000000000000ffffffff0000005d1f8b0800a875016b02ff6360800363aef40deb1881\
    0cc658bbef3340224cd9864052ba2c31a734550193cccf4b856a05e9327c75512609ae9df53f10e0d35c529e0fd5cc04c412fd5ee5b570\
    cdcc60bb8d4146000050cf20eca0000000";
const V1_SNAPPY: &str = "\
    0000000000000000000000931c0ed5ae01020000000000000000ffffffff0000007d82534e4150505900000000010000000100000069a0\
    010000190134330a67b0ae01000000015d3ef798011830026b310000001b76616c756520460600086f6e65012601321c00000031ead11c\
    6201090001013f1005ffffffff6e3d000874776f013a2c00000002000000188f4a777d153d2803000000026b33ffffffff";
const V1_LZ4: &str = "\
    00000000000000000000008fee8fb02e01030000000000000000ffffffff0000007904224d186840a00000000000000086620000001600\
    0100e0330a67b0ae01000000015d3ef7981800de026b310000001b76616c7565200600306f6e6526000032008500000031ead11c623f00\
    5f05ffffffff3d00093174776f3b00b5000002000000188f4a777d3d00b003000000026b33ffffffff00000000";

/// Every format and codec, with its bytes.
pub(crate) const ALL: [(Magic, Compression, &str); 13] = [
    (Magic::V2, Compression::None, V2_NONE),
    (Magic::V2, Compression::Gzip, V2_GZIP),
    (Magic::V2, Compression::Snappy, V2_SNAPPY),
    (Magic::V2, Compression::Lz4, V2_LZ4),
    (Magic::V2, Compression::Zstd, V2_ZSTD),
    (Magic::V0, Compression::None, V0_NONE),
    (Magic::V0, Compression::Gzip, V0_GZIP),
    (Magic::V0, Compression::Snappy, V0_SNAPPY),
    (Magic::V0, Compression::Lz4, V0_LZ4),
    (Magic::V1, Compression::None, V1_NONE),
    (Magic::V1, Compression::Gzip, V1_GZIP),
    (Magic::V1, Compression::Snappy, V1_SNAPPY),
    (Magic::V1, Compression::Lz4, V1_LZ4),
];

/// What the bytes of `ALL` hold.
pub(crate) fn expected(magic: Magic) -> Vec<ottla_records::Record> {
    let timestamp = |ms| if magic == Magic::V0 { -1 } else { ms };
    let mut records = vec![
        record(
            0,
            timestamp(1_500_000_000_000),
            Some("k1"),
            Some("value value value value one"),
        ),
        record(
            1,
            timestamp(1_500_000_000_005),
            None,
            Some("value value value value two"),
        ),
        record(2, timestamp(1_500_000_000_003), Some("k3"), None),
    ];
    if magic == Magic::V2 {
        records[0].headers = vec![("h".to_owned(), Some("x".into())), ("n".to_owned(), None)];
    }
    records
}

#[test]
fn a_foreign_clients_bytes_are_read() {
    for (magic, compression, text) in ALL {
        let bytes = hex(text);
        let entries: Vec<_> = batches(&bytes).collect::<Result<_, _>>().unwrap();
        let alone = magic < Magic::V2 && compression == Compression::None;
        assert_eq!(
            entries.len(),
            if alone { 3 } else { 1 },
            "{magic:?} {compression:?}"
        );
        let mut read = Vec::new();
        for entry in entries {
            let header = verify(entry).unwrap();
            assert_eq!((header.magic(), header.compression()), (magic, compression));
            assert_eq!(header.timestamp_type(), TimestampType::Create);
            assert_eq!(header.size(), entry.len());
            read.extend(records(entry).unwrap().map(Result::unwrap));
        }
        assert_eq!(read, expected(magic), "{magic:?} {compression:?}");
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    for (magic, compression, text) in ALL {
        let bytes = hex(text);
        let entry = batches(&bytes).next().unwrap().unwrap().to_vec();
        // Offset and, in v2, leader epoch are not covered by the checksum; magic in v2 neither, but
        // it must make sense.
        let covered = if magic == Magic::V2 { 17 } else { 12 };
        for at in covered..entry.len() {
            for bit in 0..8 {
                let mut broken = entry.clone();
                broken[at] ^= 1 << bit;
                assert!(
                    verify(&broken).is_err(),
                    "{magic:?} {compression:?} byte {at} bit {bit}"
                );
            }
        }
    }
}
