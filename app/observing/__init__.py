"""What operators watch: figures of this process, and of all processes together."""
