"""What Open vSwitch accepts in a flow: values, masks and prerequisites that ovs-ofctl(8) truncates or widens silently; pure."""
