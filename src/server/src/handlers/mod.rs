//! One file per API: its versions and its code.
