//! What the table says about one key.

/// Kafka's `ConfigDef.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text, trimmed.
    String,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// 64-bit floating point.
    Double,
    /// Items separated by commas.
    List,
    /// A Java class name; kept as text, never loaded.
    Class,
    /// Text that is never shown.
    Password,
}

impl ValueType {
    /// Kafka's name of the type, as its error messages print it.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::Boolean => "BOOLEAN",
            ValueType::String => "STRING",
            ValueType::Int => "INT",
            ValueType::Short => "SHORT",
            ValueType::Long => "LONG",
            ValueType::Double => "DOUBLE",
            ValueType::List => "LIST",
            ValueType::Class => "CLASS",
            ValueType::Password => "PASSWORD",
        }
    }

    /// The `configType` code of DescribeConfigs v3 and later.
    pub fn code(self) -> i8 {
        match self {
            ValueType::Boolean => 1,
            ValueType::String => 2,
            ValueType::Int => 3,
            ValueType::Short => 4,
            ValueType::Long => 5,
            ValueType::Double => 6,
            ValueType::List => 7,
            ValueType::Class => 8,
            ValueType::Password => 9,
        }
    }
}

/// What a value must satisfy beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    /// Nothing.
    Any,
    /// A number not below this one.
    AtLeast(i64),
    /// A number within both ends.
    Between(f64, f64),
    /// `compression.gzip.level`: 1 to 9, or -1.
    GzipLevel,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of nothing but these items.
    Among(&'static [&'static str]),
    /// A name that [`crate::MetadataVersion`] knows.
    Version,
    /// `partition:broker,…` or `*`.
    ThrottledReplicas,
    /// Text that is not empty.
    NotEmpty,
}

/// When a new value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// At the next start only.
    ReadOnly,
    /// While running, for one broker at a time.
    PerBroker,
    /// While running, for one broker or for all of them.
    ClusterWide,
    /// A topic's own key: whenever the topic is altered.
    Topic,
}

/// Kafka's `ConfigDef.Importance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Most installations set it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

/// A unit in which a broker key gives a time that the topic key wants in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Same,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

impl Unit {
    /// How many milliseconds (or bytes, or whatever the key counts) one of these is.
    pub fn factor(self) -> i64 {
        match self {
            Unit::Same => 1,
            Unit::Minutes => 60_000,
            Unit::Hours => 3_600_000,
        }
    }
}

/// A broker key that supplies the value when the key itself is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The broker key.
    pub key: &'static str,
    /// Its unit.
    pub unit: Unit,
}

/// What this broker makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It acts on it.
    Works,
    /// It accepts it, with a warning, and does nothing about it so far.
    NotYet,
    /// It accepts it, with a warning, and has no use for it: what Kafka controls with it is not
    /// there. The text says why.
    NoUse,
}

/// One line of the table: everything there is to know about a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyDef {
    /// The key.
    pub name: &'static str,
    /// Its type.
    pub value_type: ValueType,
    /// The default as one would write it; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// What else is demanded of a value.
    pub check: Check,
    /// When a change takes effect.
    pub update: Update,
    /// How many people need it.
    pub importance: Importance,
    /// What this broker makes of it.
    pub support: Support,
    /// Whether Kafka hides it from its reference and from DescribeConfigs.
    pub internal: bool,
    /// For topic keys: the broker keys that supply the default, first set one wins. For broker
    /// keys: the family of keys that mean the same thing, best first, this one included; empty
    /// when the key stands alone.
    pub synonyms: &'static [Synonym],
    /// What it does, in our words.
    pub doc: &'static str,
}

impl KeyDef {
    /// Whether values must never be shown.
    pub fn sensitive(&self) -> bool {
        self.value_type == ValueType::Password
    }

    /// Whether a running broker accepts a new value.
    pub fn dynamic(&self) -> bool {
        self.update != Update::ReadOnly
    }

    pub(crate) const fn new(
        importance: Importance,
        name: &'static str,
        value_type: ValueType,
        default: Option<&'static str>,
        doc: &'static str,
    ) -> KeyDef {
        KeyDef {
            name,
            value_type,
            default,
            check: Check::Any,
            update: Update::ReadOnly,
            importance,
            support: Support::NotYet,
            internal: false,
            synonyms: &[],
            doc,
        }
    }

    pub(crate) const fn check(mut self, check: Check) -> KeyDef {
        self.check = check;
        self
    }

    pub(crate) const fn update(mut self, update: Update) -> KeyDef {
        self.update = update;
        self
    }

    pub(crate) const fn implemented(mut self) -> KeyDef {
        self.support = Support::Works;
        self
    }

    pub(crate) const fn no_use(mut self) -> KeyDef {
        self.support = Support::NoUse;
        self
    }

    pub(crate) const fn internal(mut self) -> KeyDef {
        self.internal = true;
        self
    }

    pub(crate) const fn synonyms(mut self, synonyms: &'static [Synonym]) -> KeyDef {
        self.synonyms = synonyms;
        self
    }
}
