//! From an address to a service and an environment: the look-ups that `address` leaves out.
