"""What Open vSwitch accepts in a flow: values, masks and prerequisites that ovs-ofctl(8) cuts or widens without a word; pure."""
