"""What namerd and linkerd do, as measured on the real ones: held against any such pair."""
