"""The kit every feature uses; together with a slice's grant or endpoint, the home of Authlib."""
