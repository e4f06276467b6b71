//! Where a segment lies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_metadata::Offset;

use crate::io::{Disk, Named};
use crate::names::{self, Kind};

/// A replica's directory.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) disk: Arc<Disk>,
    pub(crate) dir: PathBuf,
}

impl Home {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn file(&self, offset: Offset, kind: Kind) -> PathBuf {
        names::file(&self.dir, offset, kind)
    }
}

/// A segment's files, by base offset.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) home: Arc<Home>,
    pub(crate) base: Offset,
}

impl Place {
    pub(crate) fn disk(&self) -> &Disk {
        &self.home.disk
    }

    pub(crate) fn path(&self, kind: Kind) -> PathBuf {
        names::file(&self.home.dir, self.base, kind)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.home.dir
    }

    /// The file's name, spelt out only if an error needs it.
    pub(crate) fn named(&self, kind: Kind) -> NamedFile<'_> {
        NamedFile { place: self, kind }
    }
}

/// See [`Place::named`].
pub(crate) struct NamedFile<'a> {
    place: &'a Place,
    kind: Kind,
}

impl Named for NamedFile<'_> {
    fn to_path(&self) -> PathBuf {
        self.place.path(self.kind)
    }
}
