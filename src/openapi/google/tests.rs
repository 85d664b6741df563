//! The extensions, one file a topic.
