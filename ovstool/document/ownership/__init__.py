"""What documents own: the settings that each has changed on a switch, remembered there."""
