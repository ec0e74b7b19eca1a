"""What the SDK tests stand on: the appliance under test, its control plane, and the doors into it."""
