//! Writing and reading XML documents.
