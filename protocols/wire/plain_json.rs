//! `{"error": {"code", "message", "detail"}}`: the control plane's errors.
