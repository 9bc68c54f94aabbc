//! Client metadata (RFC 7591 §2) and the rules that make a registration of it.
