"""OVSDB, the configuration database of Open vSwitch (RFC 7047): JSON-RPC client, values, schema, transaction."""

DATABASE = "Open_vSwitch"
